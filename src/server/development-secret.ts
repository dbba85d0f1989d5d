import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openSqliteFile } from './store/sqlite-file.ts'

/**
 * The secret of a development server that was given none: made once and kept beside the database, so that tokens outlive
 * a restart. Readable by its owner only.
 * @throws Error when there can be no database in that place, and makes nothing there
 */
export function developmentSecret(databaseFile: string): string {
  const secret = randomBytes(32).toString('base64url')
  if (databaseFile === ':memory:') return secret
  const kept = readDevelopmentSecret(databaseFile)
  if (kept !== undefined) return kept
  openSqliteFile(databaseFile).close()
  try {
    writeFileSync(developmentSecretFile(databaseFile), secret, { mode: 0o600, flag: 'wx' })
    return secret
  } catch (error) {
    // Another server was faster.
    const other = codeOf(error) === 'EEXIST' ? readDevelopmentSecret(databaseFile) : undefined
    if (other === undefined) throw refusal(databaseFile, 'written', error)
    return other
  }
}

/** The secret that a development server has made, if one has run with this database. */
export function readDevelopmentSecret(databaseFile: string): string | undefined {
  try {
    return readFileSync(developmentSecretFile(databaseFile), 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw refusal(databaseFile, 'read', error)
  }
}

/** Where it is kept. */
export function developmentSecretFile(databaseFile: string): string {
  return join(dirname(databaseFile), 'development-secret')
}

function refusal(databaseFile: string, done: string, cause: unknown): Error {
  const file = developmentSecretFile(databaseFile)
  return new Error(`${file} cannot be ${done} (${codeOf(cause)}); allow it, or set JWT_SECRET`, { cause })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
