import { type Kysely, Migrator, sql } from 'kysely'
import * as facts from './1-facts.ts'
import * as records from './2-records.ts'
import * as standing from './3-standing.ts'

const MIGRATIONS = { '1-facts': facts, '2-records': records, '3-standing': standing }

/**
 * Brings a database to this version's tables.
 * @throws Error when it was made by a newer version, or cannot be changed
 */
export async function migrate(db: Kysely<unknown>, file: string): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })
  const { error } = await migrator.migrateToLatest()
  if (!error) return
  const unknown = await newerMigrations(db)
  if (unknown.length > 0) {
    throw new Error(
      `DATABASE_URL: ${file} was made by a newer Convene (it has ${unknown.join(', ')}); run that version or later, or give another file`,
    )
  }
  throw new Error(
    `DATABASE_URL: ${file} could not be brought to this version (${reasonOf(error)}); give another file`,
    {
      cause: error,
    },
  )
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function newerMigrations(db: Kysely<unknown>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  return rows.map(({ name }) => name).filter((name) => !Object.hasOwn(MIGRATIONS, name))
}
