import type { Options } from './options.ts'

/**
 * [D3] Whether clients of the older families are who they say they are: when told so, and in development as long as there
 * is nothing to verify a token with. Production refuses to be told so.
 */
export function believesClaims(options: Options): boolean {
  const { insecureIdentity, nodeEnv, jwtSecrets, jwtPublicKey, jwksUrl } = options
  const verifies = jwtSecrets.length > 0 || jwtPublicKey !== undefined || jwksUrl !== undefined
  return insecureIdentity ?? (nodeEnv !== 'production' && !verifies)
}
