import type { Options } from './config/config.ts'
import { openPostgresStore } from './store/postgres.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'

const SQLITE = 'sqlite:'

/** The store that `DATABASE_URL` names. @throws Error when it cannot be opened */
export function openStore({ databaseUrl, sqliteSynchronous, eventsKept, eventsKeptDays }: Options): Promise<Store> {
  const retention = { facts: eventsKept, days: eventsKeptDays }
  const file = sqliteFile(databaseUrl)
  if (file === undefined) return openPostgresStore({ url: databaseUrl, retention })
  return openSqliteStore({ file, synchronous: sqliteSynchronous, retention })
}

/** The file that a database is in; undefined when it is none. */
export function sqliteFile(databaseUrl: string): string | undefined {
  return databaseUrl.startsWith(SQLITE) ? databaseUrl.slice(SQLITE.length) : undefined
}
