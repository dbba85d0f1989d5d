import { tokenExpired, tokenRefused } from './refusals.ts'

/** What a verified token says, its times checked. */
export interface TokenClaims extends Readonly<Record<string, unknown>> {
  /** Seconds since 1970, as in every JWT. */
  readonly exp: number
  readonly iat?: number
}

/** What the claims of a token have to say. */
export interface ClaimRules {
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  /** Ms after `exp` during which a token is still good. */
  readonly expToleranceMs: number
  /** Whether a token without `iss` or `aud` passes; one with a wrong one never does. */
  readonly originOptional: boolean
}

/** A token that somebody signed for this server: strict. */
export const SIGNED = { expToleranceMs: 0, originOptional: false } as const

/** How far the clock of who issues tokens may be ahead of ours. */
const CLOCK_AHEAD_MS = 15_000
/** 9999-12-31. A time beyond it was written in ms, and would be a token for ever. */
const LAST_SECOND = 253_402_300_799

/**
 * Checks `iss`, `aud`, `nbf`, `iat` and `exp`, in that order: "expired" is only said of a token a newer one can replace.
 * The libraries' own checks are not used: theirs differ, and both take a fractional or endless `exp`.
 * @throws ConveneError `unauthenticated` or `token_expired`.
 */
export function checkClaims(claims: Record<string, unknown> | undefined, rules: ClaimRules): TokenClaims {
  if (!claims) throw tokenRefused('claims are no object')
  const { iss, aud, nbf, iat, exp } = claims
  if (!matches(iss === undefined ? [] : [iss], rules.issuer, rules)) throw tokenRefused('iss')
  if (!matches(aud === undefined ? [] : Array.isArray(aud) ? aud : [aud], rules.audience, rules)) {
    throw tokenRefused('aud')
  }
  const now = Date.now()
  if (nbf !== undefined && !isPast(nbf, now)) throw tokenRefused('nbf')
  if (iat !== undefined && !isPast(iat, now)) throw tokenRefused('iat')
  if (!isWholeSecond(exp)) throw tokenRefused('exp')
  if (now >= exp * 1000 + rules.expToleranceMs) throw tokenExpired()
  return { ...claims, exp }
}

function matches(said: readonly unknown[], wanted: string | undefined, rules: ClaimRules): boolean {
  if (wanted === undefined) return true
  return said.length === 0 ? rules.originOptional : said.includes(wanted)
}

/** Some libraries write `iat` and `nbf` with a fraction, which harms nobody. */
function isPast(seconds: unknown, now: number): boolean {
  return typeof seconds === 'number' && seconds >= 0 && seconds * 1000 <= now + CLOCK_AHEAD_MS
}

function isWholeSecond(seconds: unknown): seconds is number {
  return Number.isSafeInteger(seconds) && (seconds as number) > 0 && (seconds as number) <= LAST_SECOND
}
