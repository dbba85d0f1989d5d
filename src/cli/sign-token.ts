import jsonwebtoken from 'jsonwebtoken'
import type { Options } from '../server/config/config.ts'
import { readOnly } from './read-only.ts'
import { Refusal } from './refusal.ts'

const READ = ['nodeEnv', 'jwtSecrets', 'jwtPublicKey', 'jwksUrl', 'jwtIssuer', 'jwtAudience', 'databaseUrl'] as const
type Read = Pick<Options, (typeof READ)[number]>

/**
 * Signs a token as the server of this environment and working folder accepts it.
 * @throws ConfigError; Refusal with exit code 2 when there can be nothing to sign with, 1 when it is not here
 */
export async function signToken(claims: Readonly<Record<string, unknown>>, seconds: number): Promise<string> {
  const options = readOnly(READ)
  const { jwtIssuer, jwtAudience } = options
  const secret = options.jwtSecrets[0] ?? (await secretOfDevelopment(options))
  return jsonwebtoken.sign({ ...claims }, secret, {
    algorithm: 'HS256',
    expiresIn: seconds,
    ...(jwtIssuer !== undefined && { issuer: jwtIssuer }),
    ...(jwtAudience !== undefined && { audience: jwtAudience }),
  })
}

async function secretOfDevelopment({ jwtPublicKey, jwksUrl, databaseUrl }: Read): Promise<string> {
  if (jwtPublicKey !== undefined || jwksUrl !== undefined) {
    throw new Refusal(
      2,
      'JWT_SECRET is not set: this server verifies with public keys, whose tokens only you can sign.',
    )
  }
  if (!databaseUrl.startsWith('sqlite:')) {
    throw new Refusal(2, 'JWT_SECRET is not set: a server on Postgres has none of its own; set the one that it has.')
  }
  const file = databaseUrl.slice('sqlite:'.length)
  if (file === ':memory:') {
    throw new Refusal(2, 'JWT_SECRET is not set: a server with its data in memory has a secret that nobody else knows.')
  }
  // Brings the whole server with it, which nobody needs who has a secret.
  const { developmentSecretFile, readDevelopmentSecret } = await import('../server/server.ts')
  const secret = readDevelopmentSecret(file)
  if (secret !== undefined) return secret
  const missing = developmentSecretFile(file)
  throw new Refusal(
    1,
    `No JWT_SECRET, and no server has run in this folder (${missing} is not there): run it where the server runs, or set JWT_SECRET`,
  )
}
