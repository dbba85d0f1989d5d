import { type Kysely, Migrator, sql } from 'kysely'
import * as facts from './1-facts.ts'
import * as records from './2-records.ts'
import * as standing from './3-standing.ts'
import * as names from './4-names.ts'
import type { Columns } from './columns.ts'

type Migration = { up(db: Kysely<unknown>, columns: Columns): Promise<void> }

const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '1-facts': facts,
  '2-records': records,
  '3-standing': standing,
  '4-names': names,
}
const NEWEST = Object.keys(MIGRATIONS).length
// The last migration that a server must know of to use the tables: those after it only add what an older one may ignore.
const OLDEST = 3

/**
 * Brings a database to this version's tables. One that a newer version has made is used as it is, if that left it fit for
 * older ones.
 * @param name what the database is called in an error: never its password
 * @throws Error when a newer version has changed what this one relies on, or it cannot be changed
 */
export async function migrate(db: Kysely<unknown>, name: string, columns: Columns): Promise<void> {
  const newer = (await applied(db)).filter((migration) => !Object.hasOwn(MIGRATIONS, migration))
  if (newer.length > 0) {
    if ((await oldestOf(db)) <= NEWEST) return
    throw new Error(
      `DATABASE_URL: ${name} was made by a newer Convene (it has ${newer.join(', ')}); run that version or later, or give another one`,
    )
  }
  const migrations = Object.entries(MIGRATIONS).map(([key, { up }]) => {
    return [key, { up: (transaction: Kysely<unknown>) => up(transaction, columns) }]
  })
  const provider = { getMigrations: async () => Object.fromEntries(migrations) }
  const { error } = await new Migrator({ db, provider }).migrateToLatest()
  if (error) {
    throw new Error(
      `DATABASE_URL: ${name} could not be brought to this version (${reasonOf(error)}); give another one`,
      { cause: error },
    )
  }
  if ((await oldestOf(db)) >= OLDEST) return
  await sql`delete from schema_compatibility`.execute(db)
  await sql`insert into schema_compatibility (oldest) values (${OLDEST})`.execute(db)
}

async function applied(db: Kysely<unknown>): Promise<string[]> {
  if (!(await hasTable(db, 'kysely_migration'))) return []
  const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db)
  return rows.map(({ name }) => name)
}

/** Of tables of before this was kept nothing is known: whoever has newer ones may not rely on them. */
async function oldestOf(db: Kysely<unknown>): Promise<number> {
  const unknown = (await applied(db)).every((migration) => Object.hasOwn(MIGRATIONS, migration)) ? 0 : Infinity
  if (!(await hasTable(db, 'schema_compatibility'))) return unknown
  const { rows } = await sql<{ oldest: number }>`select oldest from schema_compatibility`.execute(db)
  return rows[0]?.oldest ?? unknown
}

async function hasTable(db: Kysely<unknown>, name: string): Promise<boolean> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true })
  return tables.some((table) => table.name === name)
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
