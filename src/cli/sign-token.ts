import jsonwebtoken from 'jsonwebtoken'
import { readOptions } from '../server/config/config.ts'
import { developmentSecret } from '../server/server.ts'
import { Refusal } from './refusal.ts'

/**
 * Signs a token as the server of this environment and working folder accepts it.
 * @throws ConfigError; Refusal with exit code 2 when there is nothing to sign with
 */
export function signToken(claims: Readonly<Record<string, unknown>>, seconds: number): string {
  const options = readOptions(process.env)
  const { jwtIssuer, jwtAudience } = options
  return jsonwebtoken.sign({ ...claims }, options.jwtSecrets[0] ?? secretOfDevelopment(options), {
    algorithm: 'HS256',
    expiresIn: seconds,
    ...(jwtIssuer !== undefined && { issuer: jwtIssuer }),
    ...(jwtAudience !== undefined && { audience: jwtAudience }),
  })
}

function secretOfDevelopment({ jwtPublicKey, jwksUrl, databaseUrl }: ReturnType<typeof readOptions>): string {
  if (jwtPublicKey !== undefined || jwksUrl !== undefined) {
    throw new Refusal(
      2,
      'JWT_SECRET is not set: this server verifies with public keys, whose tokens only you can sign.',
    )
  }
  const file = databaseUrl.slice('sqlite:'.length)
  if (file === ':memory:') {
    throw new Refusal(2, 'JWT_SECRET is not set: a server with its data in memory has a secret that nobody else knows.')
  }
  return developmentSecret(file)
}
