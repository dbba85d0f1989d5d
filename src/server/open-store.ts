import type { Options } from './config/config.ts'
import type { Logger } from './observe/logger.ts'
import { openPostgresStore } from './store/postgres.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'

const SQLITE = 'sqlite:'

/** The store that `DATABASE_URL` names. @throws Error when it cannot be opened */
export function openStore(options: Options, logger: Logger): Promise<Store> {
  const { databaseUrl, sqliteSynchronous, eventsKept, eventsKeptDays } = options
  const retention = { facts: eventsKept, days: eventsKeptDays }
  const file = sqliteFile(databaseUrl)
  const waiting = (reason: string) => logger.warn(`${reason}; waiting for it`)
  if (file === undefined) return openPostgresStore({ url: databaseUrl, retention, waiting })
  return openSqliteStore({ file, synchronous: sqliteSynchronous, retention })
}

/** The file that a database is in; undefined when it is none. */
export function sqliteFile(databaseUrl: string): string | undefined {
  return databaseUrl.startsWith(SQLITE) ? databaseUrl.slice(SQLITE.length) : undefined
}
