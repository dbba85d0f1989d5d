/** The part of a token that says how to judge it. Nothing in it is believed: it only chooses who judges. */
export interface TokenHeader {
  /** Dot-separated parts: 3 when signed, 5 when encrypted. */
  readonly parts: 3 | 5
  readonly alg: string
  readonly enc: string | undefined
  readonly kid: string | undefined
}

/** A token this long fails at once, before any work is spent on it. */
const MAX_TOKEN_CHARS = 16_384

const MAX_KID_CHARS = 512
const TYPES = ['jwt', 'at+jwt']

/**
 * The header of a token, or `undefined` when it has no token's form or asks for an extension: `crit` and `b64` change what
 * is signed, `zip` lets 16 KiB become megabytes. Addresses and keys in it (`jku`, `x5u`, `jwk`) are not even read.
 */
export function tokenHeader(token: string): TokenHeader | undefined {
  if (token.length > MAX_TOKEN_CHARS) return undefined
  const parts = token.split('.')
  if (parts.length !== 3 && parts.length !== 5) return undefined
  if (!parts.every(isCanonical)) return undefined
  const header = jsonObjectOf(Buffer.from(parts[0] ?? '', 'base64url'))
  if (!header) return undefined
  const { alg, enc, kid, typ } = header
  if (typeof alg !== 'string' || 'crit' in header || 'b64' in header || 'zip' in header) return undefined
  if (enc !== undefined && typeof enc !== 'string') return undefined
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > MAX_KID_CHARS)) return undefined
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.includes(typ.toLowerCase()))) return undefined
  return { parts: parts.length, alg, enc, kid }
}

/** The object in some JSON, or `undefined`: lists, bare values and broken UTF-8 are no objects. */
export function jsonObjectOf(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** One token has one spelling: Node would also read `+/=`, foreign characters and stray last bits. */
function isCanonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}
