import { createPublicKey, type KeyObject } from 'node:crypto'
// jsonwebtoken knows no EdDSA; one library for every kind of public key is easier to trust than two.
import { compactVerify } from 'jose'
import { tokenRefused } from './refusals.ts'
import { type ClaimRules, checkClaims } from './token-claims.ts'
import { jsonObjectOf, tokenHeader } from './token-header.ts'
import type { TokenVerifier } from './token-verifier.ts'

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const EC: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
// RFC 9864 gives EdDSA with this curve the second name.
const ED25519 = ['EdDSA', 'Ed25519']

/** Every algorithm a public key may have; no HMAC among them. */
export const PUBLIC_KEY_ALGORITHMS: readonly string[] = [...RSA, ...Object.values(EC), ...ED25519]

/**
 * Tokens signed with the private half of one PEM key. The key's type decides the algorithms, not the token.
 * @throws Error when the text is no public key (or certificate) of a kind that can be used.
 */
export function createPublicKeyVerifier(pem: string, rules: ClaimRules): TokenVerifier {
  const key = publicKeyOf(pem)
  const algorithms = algorithmsOf(key)

  function accepts(token: string): boolean {
    const header = tokenHeader(token)
    return header?.parts === 3 && algorithms.includes(header.alg)
  }

  return {
    accepts,
    async verify(token) {
      if (!accepts(token)) throw tokenRefused('form')
      const { payload } = await compactVerify(token, key, { algorithms }).catch((error: unknown) => {
        throw tokenRefused(error)
      })
      return checkClaims(jsonObjectOf(payload), rules)
    },
  }
}

function publicKeyOf(pem: string): KeyObject {
  // Node would quietly derive the public key, and whoever reads our environment could sign.
  if (pem.includes('PRIVATE KEY-----')) {
    throw new Error('Expected a PEM public key, got a private key: keep that with the issuer')
  }
  try {
    return createPublicKey(pem)
  } catch {
    throw new Error('Expected a PEM public key (-----BEGIN PUBLIC KEY-----) or certificate, got something else')
  }
}

function algorithmsOf(key: KeyObject): string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ed25519') return ED25519
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0
    if (bits >= 2048) return RSA
    throw new Error(`Expected an RSA public key of 2048 bits or more, got ${bits}`)
  }
  const algorithm = type === 'ec' ? EC[details?.namedCurve ?? ''] : undefined
  if (algorithm) return [algorithm]
  throw new Error(`Expected a public key of RSA, P-256, P-384, P-521 or Ed25519, got ${details?.namedCurve ?? type}`)
}
