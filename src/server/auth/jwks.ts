import { type CompactVerifyResult, compactVerify, errors } from 'jose'
import { PUBLIC_KEY_ALGORITHMS } from './public-key.ts'
import { tokenRefused } from './refusals.ts'
import type { KeySet, RemoteKeys } from './remote-keys.ts'
import { type ClaimRules, checkClaims } from './token-claims.ts'
import { jsonObjectOf, tokenHeader } from './token-header.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** Tokens of an issuer that publishes its keys (Clerk, Auth0, …), found by the token's `kid`. */
export function createJwksVerifier(remote: RemoteKeys, rules: ClaimRules): TokenVerifier {
  function accepts(token: string): boolean {
    const header = tokenHeader(token)
    return header?.parts === 3 && PUBLIC_KEY_ALGORITHMS.includes(header.alg)
  }

  async function verified(token: string, known: KeySet): Promise<CompactVerifyResult> {
    try {
      return await verifyWith(known, token)
    } catch (error) {
      // Maybe the issuer has a new key; only the set as it is now can tell.
      const newer = error instanceof errors.JWKSNoMatchingKey ? await remote.newer(known) : undefined
      if (newer) return await verifyWith(newer, token)
      throw error
    }
  }

  return {
    accepts,
    async verify(token) {
      if (!accepts(token)) throw tokenRefused('form')
      const known = await remote.known()
      const { payload } = await verified(token, known).catch((error: unknown) => {
        throw tokenRefused(error)
      })
      return checkClaims(jsonObjectOf(payload), rules)
    },
  }
}

async function verifyWith(keys: KeySet, token: string): Promise<CompactVerifyResult> {
  const options = { algorithms: [...PUBLIC_KEY_ALGORITHMS] }
  try {
    return await compactVerify(token, keys, options)
  } catch (error) {
    // A token without a kid may be of any key that fits.
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      try {
        return await compactVerify(token, key, options)
      } catch {
        // The next, then.
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}
