/** What to log of a failure: of something that is away one line, of anything else all there is. */
export function reasonOf(code: string, cause: unknown): { readonly reason: string } | { readonly err: unknown } {
  if (code !== 'unavailable') return { err: cause }
  return { reason: cause instanceof Error ? cause.message || cause.name : String(cause) }
}
