import { ConveneError } from '../../protocol/errors.ts'

/** [CON2] No token at all. */
export function tokenMissing(): ConveneError {
  return new ConveneError('unauthenticated', 'Authentication required')
}

/** [CON2] One answer for whatever is wrong with a token: telling more would help who forges one. */
export function tokenRefused(cause?: unknown): ConveneError {
  return new ConveneError('unauthenticated', 'Authentication failed', { cause: nameOf(cause) })
}

/** [CON2] It was good once; a new one will do. */
export function tokenExpired(): ConveneError {
  return new ConveneError('token_expired', 'Authentication failed')
}

/** Nobody can say whether a token is good; the address of the key set stays here. */
export function keysUnavailable(cause?: unknown): ConveneError {
  return new ConveneError('unavailable', "The token issuer's keys cannot be reached; try again", {
    cause: nameOf(cause),
  })
}

/** Only the name of a library's error: its message may quote the token, and causes are logged. */
function nameOf(cause: unknown): string | undefined {
  if (typeof cause === 'string' || cause === undefined) return cause
  if (!(cause instanceof Error)) return 'not an error'
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
}
