import type { Options } from './config/config.ts'
import { developmentSecret } from './development-secret.ts'
import { sqliteFile } from './open-store.ts'

/**
 * What tokens are signed with. A server in development that was given no way to verify anybody makes itself one.
 * @throws Error when it may be one of several, which would each make their own
 */
export function secretsOf({ jwtSecrets, jwtPublicKey, jwksUrl, databaseUrl }: Options): readonly string[] {
  if (jwtSecrets.length > 0 || jwtPublicKey || jwksUrl) return jwtSecrets
  const file = sqliteFile(databaseUrl)
  if (file !== undefined) return [developmentSecret(file)]
  throw new Error('JWT_SECRET must be set: a Postgres database is for several nodes, which have to share it')
}
