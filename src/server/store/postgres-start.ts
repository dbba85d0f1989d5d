import { setTimeout as pause } from 'node:timers/promises'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { postgresColumns } from './migrations/columns.ts'
import { migrate } from './migrations/migrate.ts'
import { renewWhenRestored } from './postgres-identity.ts'
import { createPostgresPool } from './postgres-pool.ts'
import type { Tables } from './tables.ts'

const ANSWER_MS = 5000
const MIGRATION_MS = 120_000
const ASK_EVERY_MS = 250
// Of all nodes that start, one at a time brings the tables up to date. Any number that nobody else uses.
const STARTING = 7_302_214_919
const NOT_THERE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
])

/**
 * Waits for a Postgres that may be starting as well, and gives its database this version's tables.
 * Resolves to what this very database is known by.
 * @param waiting told once, when it has to be waited for
 * @throws Error naming `DATABASE_URL`, and never the password
 */
export async function startPostgresDatabase(
  url: string,
  waitMs: number,
  waiting?: (reason: string) => void,
): Promise<string> {
  const { host, name } = placeOf(url)
  try {
    await reached(url, waitMs, (error) => waiting?.(`Postgres at ${host} is not reached yet (${reasonOf(error)})`))
    return await prepare(url, name)
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('DATABASE_URL: ')) throw error
    throw new Error(`DATABASE_URL: Postgres at ${host} cannot be used (${reasonOf(error)})`, { cause: error })
  }
}

function placeOf(url: string): { readonly host: string; readonly name: string } {
  const place = URL.canParse(url) ? new URL(url) : undefined
  // In what was cut off at a # or ? of the password, its beginning would be taken for the port.
  if (!place || (url.includes('@') && place.username === '')) {
    throw new Error(
      'DATABASE_URL: expected postgres://user:password@host:5432/database; in a password @ : / ? # and % are written %40 %3A %2F %3F %23 %25',
    )
  }
  return { host: place.host, name: place.pathname.slice(1) || 'the database' }
}

/** Waits until the server takes connections; what it refuses is told at once. */
async function reached(url: string, waitMs: number, waiting: (error: unknown) => void): Promise<void> {
  const pool = createPostgresPool({ url, max: 1, statementMs: ANSWER_MS })
  const deadline = performance.now() + waitMs
  let waited = false
  try {
    for (;;) {
      try {
        const connection = await pool.connect()
        connection.release()
        return
      } catch (error) {
        const { code = '' } = error as { code?: string }
        const mayCome = code === '' || NOT_THERE.has(code) || code.startsWith('57P') || code.startsWith('53')
        if (!mayCome || performance.now() > deadline) throw error
        if (!waited) waiting(error)
        waited = true
        await pause(ASK_EVERY_MS)
      }
    }
  } finally {
    await pool.end()
  }
}

async function prepare(url: string, name: string): Promise<string> {
  const pool = createPostgresPool({ url, max: 1, statementMs: MIGRATION_MS })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
  try {
    return await db.connection().execute(async (one) => {
      // Let go of with the connection.
      await sql`select pg_advisory_lock(${STARTING})`.execute(one)
      await migrate(one as Kysely<unknown>, name, postgresColumns)
      return await renewWhenRestored(one)
    })
  } finally {
    await db.destroy()
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return [code, message].filter(Boolean).join(': ')
}
