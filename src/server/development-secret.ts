import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The secret of a development server that was given none: made once and kept beside the database, so that tokens outlive
 * a restart. Readable by its owner only.
 */
export function developmentSecret(databaseFile: string): string {
  const secret = randomBytes(32).toString('base64url')
  if (databaseFile === ':memory:') return secret
  const file = join(dirname(databaseFile), 'development-secret')
  mkdirSync(dirname(file), { recursive: true })
  try {
    writeFileSync(file, secret, { mode: 0o600, flag: 'wx' })
    return secret
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return readFileSync(file, 'utf8')
  }
}
