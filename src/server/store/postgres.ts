import { setTimeout as pause } from 'node:timers/promises'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { ConveneError } from '../../protocol/errors.ts'
import { newEpoch, type Work } from './batch.ts'
import { GroupCommit } from './group-commit.ts'
import { beginLog, logHeads, logState, readLog } from './logs.ts'
import { postgresColumns } from './migrations/columns.ts'
import { migrate } from './migrations/migrate.ts'
import { createPostgresCommit } from './postgres-commit.ts'
import { renewWhenRestored } from './postgres-identity.ts'
import { createPostgresPool, isRefusal, type PostgresPool } from './postgres-pool.ts'
import type { Change, KeptRecord, RecordCount, RecordKey, RecordStretch } from './record.ts'
import { countRecords, readRecord, readRecords, readSnapshot } from './records.ts'
import { type Retention, trimLogs } from './retention.ts'
import type { FactDraft, LogHead, LogState, Store, Stored, Stretch } from './store.ts'
import type { Tables } from './tables.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string
  readonly retention: Retention
  /** How long to wait at the start for a server that is just starting as well. */
  readonly waitMs?: number
}

// One for what is stored, the others for what is read; a server's default is 100 for all nodes.
const MAX_CONNECTIONS = 10
const MAX_BATCH = 500
const STATEMENT_MS = 5000
const MIGRATION_MS = 120_000
const WAIT_MS = 15_000
const ASK_EVERY_MS = 250
const CLOSE_MS = 1500
// Of all nodes that start, one at a time brings the tables up to date. Any number that nobody else uses.
const STARTING = 7_302_214_919
const NOT_THERE = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EPIPE'])

/**
 * @throws Error when the server cannot be reached, refuses, or its database was made by a newer version; it names no
 *   password
 */
export async function openPostgresStore({ url, retention, waitMs = WAIT_MS }: PostgresOptions): Promise<Store> {
  const name = new URL(url).pathname.slice(1) || 'the database'
  await reached(url, waitMs).catch((error: unknown) => {
    throw new Error(`DATABASE_URL: Postgres at ${new URL(url).host} cannot be used (${reasonOf(error)})`, {
      cause: error,
    })
  })
  const starting = createPostgresPool({ url, max: 2, statementMs: MIGRATION_MS })
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: starting }) })
  try {
    await db.connection().execute(async (one) => {
      await sql`select pg_advisory_lock(${STARTING})`.execute(one)
      await migrate(one as Kysely<unknown>, name, postgresColumns)
      await renewWhenRestored(one)
      await sql`select pg_advisory_unlock(${STARTING})`.execute(one)
    })
  } finally {
    await db.destroy()
  }
  return new PostgresStore(createPostgresPool({ url, max: MAX_CONNECTIONS, statementMs: STATEMENT_MS }), retention)
}

/** Waits until the server takes connections; what it refuses is told at once. */
async function reached(url: string, waitMs: number): Promise<void> {
  const pool = createPostgresPool({ url, max: 1, statementMs: STATEMENT_MS })
  const deadline = performance.now() + waitMs
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
        await pause(ASK_EVERY_MS)
      }
    }
  } finally {
    await pool.end()
  }
}

class PostgresStore implements Store {
  readonly shared = true
  readonly #db: Kysely<Tables>
  readonly #commits: GroupCommit<Work, unknown>
  readonly #retention: Retention
  #closing: Promise<void> | undefined

  constructor(pool: PostgresPool, retention: Retention) {
    this.#db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) })
    this.#retention = retention
    const commit = createPostgresCommit(pool)
    this.#commits = new GroupCommit(async (batch) => {
      const outcomes = await commit(batch).catch(unavailable)
      return outcomes.map((outcome) =>
        'error' in outcome && isRefusal(outcome.error) ? refused(outcome.error) : outcome,
      )
    }, MAX_BATCH)
  }

  append(draft: FactDraft): Promise<Stored> {
    return this.#commits.push({ draft }) as Promise<Stored>
  }

  change<T>(change: Change<T>): Promise<T> {
    return this.#commits.push({ change }) as Promise<T>
  }

  record(key: RecordKey): Promise<KeptRecord | undefined> {
    return this.#read(() => readRecord(this.#db, key))
  }

  records(stretch: RecordStretch): Promise<KeptRecord[]> {
    return this.#read(() => readRecords(this.#db, stretch))
  }

  snapshot(channel: string, kind: string): Promise<LogState & { records: KeptRecord[] }> {
    return this.#read(async () => {
      const found = await readSnapshot(this.#db, channel, kind)
      if (found) return found
      await beginLog(this.#db, channel, newEpoch())
      return (await readSnapshot(this.#db, channel, kind)) as LogState & { records: KeptRecord[] }
    })
  }

  count(wanted: RecordCount): Promise<number> {
    return this.#read(() => countRecords(this.#db, wanted))
  }

  open(channel: string): Promise<LogState> {
    return this.#read(async () => {
      const log = await logState(this.#db, channel)
      if (log) return log
      await beginLog(this.#db, channel, newEpoch())
      return (await logState(this.#db, channel)) as LogState
    })
  }

  head(channel: string): Promise<number> {
    return this.#read(async () => (await logState(this.#db, channel))?.head ?? 0)
  }

  heads(channels: readonly string[]): Promise<Map<string, LogHead>> {
    return this.#read(() => logHeads(this.#db, sql`= any(${[...channels]})`))
  }

  read(channel: string, stretch: Stretch) {
    return this.#read(() => readLog(this.#db, channel, stretch))
  }

  trim(): Promise<number> {
    return this.#read(() => trimLogs(this.#db, this.#retention))
  }

  async ping(): Promise<void> {
    await this.#read(() => sql`select 1`.execute(this.#db))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const ended = this.#commits.settled().then(() => this.#db.destroy())
    // A server that does not answer is not waited for.
    await Promise.race([ended, pause(CLOSE_MS, undefined, { ref: false })])
  }

  async #read<T>(query: () => Promise<T>): Promise<T> {
    await this.#commits.settled()
    return query().catch(unavailable)
  }
}

/** A fact that Postgres cannot hold, for a character perhaps. */
function refused(cause: Error): { readonly error: ConveneError } {
  return {
    error: new ConveneError('invalid', 'The store cannot hold this: a text has a character that it refuses', { cause }),
  }
}

function unavailable(cause: unknown): never {
  throw new ConveneError(
    'unavailable',
    'The store cannot be reached; try again, a fact with the same operationId: so it is stored once at most',
    { cause },
  )
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return [code, message].filter(Boolean).join(': ')
}
