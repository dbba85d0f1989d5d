// Stores on a test's Postgres, and a look at it from beside.
import { Client } from 'pg'
import { openPostgresStore, type PostgresOptions } from '../../src/server/store/postgres.ts'
import type { FactDraft, Store } from '../../src/server/store/store.ts'
import { cleanup } from './cleanup.ts'
import { until } from './until.ts'

export const RETENTION = { facts: 10_000, days: 7 }

/** A node's store. Closed when the test ends. */
export async function openStore(url: string, more: Partial<PostgresOptions> = {}): Promise<Store> {
  const store = await openPostgresStore({ url, retention: RETENTION, ...more })
  cleanup(() => store.close())
  return store
}

/** A fact of `project:p1`. */
export function draft(more: Partial<FactDraft> = {}): FactDraft {
  return { channel: 'project:p1', type: 'a:b', operationId: crypto.randomUUID(), user: null, payload: {}, ...more }
}

export function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

/** Somebody else who is connected. Gone when the test ends. */
export async function connectPostgres(url: string): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  cleanup(() => client.end())
  await client.connect()
  return client
}

/** Resolves when so many connections of stores wait for locks that somebody else holds. */
export async function untilWaiting(client: Client, count = 1): Promise<void> {
  const waiting = `select from pg_stat_activity
    where datname = current_database() and application_name = 'convene' and wait_event_type = 'Lock'`
  await until(`${count} wait for a lock`, async () => {
    // Within a transaction it would show the same again and again.
    await client.query('select pg_stat_clear_snapshot()')
    const { rowCount } = await client.query(waiting)
    return rowCount !== null && rowCount >= count
  })
}
