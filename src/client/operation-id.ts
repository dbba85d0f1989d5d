/** A new operationId. Not `crypto.randomUUID`: a page that is served over plain HTTP does not have it. */
export function newOperationId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
