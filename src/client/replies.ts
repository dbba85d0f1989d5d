import { ConveneError, ERRORS, type ErrorBody } from '../protocol/errors.ts'

/** What a request is answered with. */
export type Reply = ({ readonly ok: true } & Readonly<Record<string, unknown>>) | { readonly ok: false; error: unknown }

/** An error as a server told it. A code this version does not know counts by whether trying again can help. */
export function errorOf(told: unknown): ConveneError {
  const { code, message, retryable, retryAfterMs, details } = (told ?? {}) as Partial<ErrorBody>
  const known = code !== undefined && Object.hasOwn(ERRORS, code) ? code : retryable ? 'internal' : 'invalid'
  return new ConveneError(known, message ?? 'The server refused without a word', {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(details && { details }),
  })
}

/** Whether the same may be tried again. */
export function isRetryable({ code }: ConveneError): boolean {
  return ERRORS[code].retryable
}
