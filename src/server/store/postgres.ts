import { setTimeout as pause } from 'node:timers/promises'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { ConveneError } from '../../protocol/errors.ts'
import { newEpoch, type Work } from './batch.ts'
import { GroupCommit } from './group-commit.ts'
import { beginLog, logHeads, logState, readLog } from './logs.ts'
import { createPostgresCommit } from './postgres-commit.ts'
import { identityOf } from './postgres-identity.ts'
import { createPostgresPool, type PostgresConnection, type PostgresPool } from './postgres-pool.ts'
import { startPostgresDatabase } from './postgres-start.ts'
import type { Change, KeptRecord, RecordCount, RecordKey, RecordStretch, RecordsNamed } from './record.ts'
import { countRecords, readRecord, readRecords, readRecordsNamed, readSnapshot } from './records.ts'
import { type Retention, trimLogs } from './retention.ts'
import type { FactDraft, LogHead, LogState, Store, Stored, Stretch } from './store.ts'
import type { Tables } from './tables.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string
  readonly retention: Retention
  /** How long to wait at the start for a server that is just starting as well. */
  readonly waitMs?: number
  /** Told once, and why, when that is so. */
  readonly waiting?: (reason: string) => void
}

// One is for what is stored alone, so that it never waits behind many who read; a server's default is 100 for all nodes.
const MAX_CONNECTIONS = 10
const MAX_BATCH = 500
const STATEMENT_MS = 5000
const WAIT_MS = 15_000
const RENEW_MS = 3000
const CLOSE_MS = 1000
const LET_GO_MS = 500

/**
 * @throws Error when the server cannot be reached, refuses, or its database was made by a newer version; it names no
 *   password
 */
export async function openPostgresStore({
  url,
  retention,
  waitMs = WAIT_MS,
  waiting,
}: PostgresOptions): Promise<Store> {
  const identity = await startPostgresDatabase(url, waitMs, waiting)
  return new PostgresStore(url, identity, retention)
}

class PostgresStore implements Store {
  readonly shared = true
  readonly #db: Kysely<Tables>
  readonly #committing: PostgresPool
  readonly #commits: GroupCommit<Work, unknown>
  readonly #retention: Retention
  #closing: Promise<void> | undefined

  constructor(url: string, identity: string, retention: Retention) {
    const reading = createPostgresPool({ url, max: MAX_CONNECTIONS - 1, statementMs: STATEMENT_MS })
    this.#db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: reading }) })
    let known = identity
    // A new connection may lead to a replica that took over, and lacks what was stored last.
    const begin = async (connection: PostgresConnection) => {
      if ((await identityOf(over(connection))) !== known) known = await startPostgresDatabase(url, RENEW_MS)
    }
    this.#committing = createPostgresPool({ url, max: 1, statementMs: STATEMENT_MS, begin })
    this.#retention = retention
    const commit = createPostgresCommit(this.#committing)
    this.#commits = new GroupCommit((batch) => commit(batch).catch(unavailable), MAX_BATCH)
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

  recordsNamed(wanted: RecordsNamed): Promise<KeptRecord[]> {
    return this.#read(() => readRecordsNamed(this.#db, wanted))
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
    // Not behind what is to be stored, which takes as long as a server that does not answer is given.
    await sql`select 1`.execute(this.#db).catch(unavailable)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // A server that does not answer is not waited for.
    await Promise.race([this.#commits.settled(), pause(CLOSE_MS, undefined, { ref: false })])
    const ended = Promise.all([this.#db.destroy(), this.#committing.end()])
    await Promise.race([ended, pause(LET_GO_MS, undefined, { ref: false })])
  }

  async #read<T>(query: () => Promise<T>): Promise<T> {
    await this.#commits.settled()
    return query().catch(unavailable)
  }
}

/** Kysely on one connection, which stays its owner's. */
function over(connection: PostgresConnection): Kysely<Tables> {
  const lent = { ...connection, release() {} }
  return new Kysely<Tables>({
    dialect: new PostgresDialect({ pool: { connect: async () => lent, end: async () => {} } }),
  })
}

function unavailable(cause: unknown): never {
  throw new ConveneError(
    'unavailable',
    'The store cannot be reached; try again, a fact with the same operationId: so it is stored once at most',
    { cause },
  )
}
