import { createSecretKey } from 'node:crypto'
import jsonwebtoken from 'jsonwebtoken'
import { tokenRefused } from './refusals.ts'
import { type ClaimRules, checkClaims } from './token-claims.ts'
import { jsonObjectOf, tokenHeader } from './token-header.ts'
import type { TokenVerifier } from './token-verifier.ts'

const ALGORITHMS: jsonwebtoken.Algorithm[] = ['HS256', 'HS384', 'HS512']

/**
 * Tokens signed with a secret that the app shares with us. Several secrets are tried in turn, so that one can be rotated.
 * @throws Error when a secret is empty or is a PEM key.
 */
export function createSignedTokenVerifier(secrets: readonly string[], rules: ClaimRules): TokenVerifier {
  // A string would be tried as a PEM key on every call: 400 µs, and the way from a public key to an HMAC secret.
  const keys = secrets.map((secret) => createSecretKey(Buffer.from(checkedSecret(secret))))

  function accepts(token: string): boolean {
    const header = tokenHeader(token)
    return header?.parts === 3 && (ALGORITHMS as string[]).includes(header.alg)
  }

  return {
    accepts,
    async verify(token) {
      if (!accepts(token)) throw tokenRefused('form')
      let cause: unknown
      for (const key of keys) {
        try {
          // Only the signature is its business; the claims are checked once for all kinds of token.
          jsonwebtoken.verify(token, key, { algorithms: ALGORITHMS, ignoreExpiration: true, ignoreNotBefore: true })
        } catch (error) {
          cause = error
          continue
        }
        return checkClaims(jsonObjectOf(Buffer.from(token.split('.')[1] ?? '', 'base64url')), rules)
      }
      throw tokenRefused(cause)
    },
  }
}

function checkedSecret(secret: string): string {
  if (secret === '') throw new Error('A shared secret is empty: expected text that only the app and this server know')
  if (secret.includes('-----BEGIN ')) {
    // Everybody may have a public key, so everybody could sign with it.
    throw new Error('A shared secret is a PEM key: set a public key as the public key, never as a secret')
  }
  return secret
}
