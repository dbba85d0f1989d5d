import { accessSync, constants, mkdirSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'libsql'

const { R_OK, W_OK } = constants

/**
 * Opens a database file, made with its folder when missing. What cannot be one is refused, and nothing made beside it.
 * @throws Error naming the option, the path, and what would do
 */
export function openSqliteFile(file: string): Database.Database {
  const found = statOf(file)
  if (found?.isDirectory() || file.endsWith('/')) throw refusal(`${file} is a folder; give a file`)
  if (found && !found.isFile()) throw refusal(`${file} is not a plain file; give one`)
  makeFolder(dirname(file), file)
  const [wanted, rights] = found ? [file, R_OK | W_OK] : [dirname(file), W_OK]
  try {
    accessSync(wanted, rights)
  } catch (error) {
    throw refusal(`this user may not write to ${wanted} (${codeOf(error)}); allow it, or give a file elsewhere`, error)
  }
  let database: Database.Database | undefined
  try {
    database = new Database(file)
    // Reads the header and changes nothing.
    database.pragma('schema_version')
    return database
  } catch (error) {
    // Another process may be recovering it; whether that one keeps it is the guard's to say.
    if (database && codeOf(error) === 'SQLITE_BUSY') return database
    database?.close()
    if (codeOf(error) === 'SQLITE_NOTADB') throw refusal(`${file} is not a SQLite database; give another file`, error)
    throw refusal(`${file} cannot be opened (${(error as Error).message}); give another file`, error)
  }
}

function statOf(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false })
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return undefined
    throw refusal(`${file} cannot be reached (${codeOf(error)}); give a file elsewhere`, error)
  }
}

/** Step by step from the nearest one that is there: Node 20 makes a deep folder of /proc for ever. */
function makeFolder(folder: string, file: string): void {
  const found = statOf(folder)
  if (found?.isDirectory()) return
  if (found) throw refusal(`${folder} is a file, so ${file} cannot be in it; give a file elsewhere`)
  if (dirname(folder) !== folder) makeFolder(dirname(folder), file)
  try {
    mkdirSync(folder)
  } catch (error) {
    // Two servers may start at the same time.
    if (codeOf(error) === 'EEXIST') return
    throw refusal(`the folder ${folder} cannot be made (${codeOf(error)}); make it, or give a file elsewhere`, error)
  }
}

function refusal(what: string, cause?: unknown): Error {
  return new Error(`DATABASE_URL: ${what}, like sqlite:./data/convene.db`, { cause })
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
