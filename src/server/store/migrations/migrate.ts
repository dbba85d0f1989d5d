import { type Kysely, Migrator } from 'kysely'
import * as facts from './1-facts.ts'

const MIGRATIONS = { '1-facts': facts }

/**
 * Brings a database to this version's tables.
 * @throws Error when it was made by a newer version, or cannot be changed
 */
export async function migrate(db: Kysely<unknown>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })
  const { error } = await migrator.migrateToLatest()
  if (!error) return
  const unknown = await newerMigrations(migrator)
  if (unknown.length > 0) {
    throw new Error(
      `The database was made by a newer Convene (it has ${unknown.join(', ')}). Run that version or later.`,
    )
  }
  throw new Error('The database could not be brought to this version', { cause: error })
}

async function newerMigrations(migrator: Migrator): Promise<string[]> {
  const known = new Set(Object.keys(MIGRATIONS))
  const applied = await migrator.getMigrations().catch(() => [])
  return applied.filter((migration) => migration.executedAt && !known.has(migration.name)).map(({ name }) => name)
}
