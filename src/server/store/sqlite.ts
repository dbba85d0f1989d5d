import { Kysely, SqliteDialect, sql } from 'kysely'
import Database from 'libsql'
import { ConveneError } from '../../protocol/errors.ts'
import { newEpoch, type Work } from './batch.ts'
import { GroupCommit, type Outcome } from './group-commit.ts'
import { beginLog, logHeads, logState, readLog } from './logs.ts'
import { sqliteColumns } from './migrations/columns.ts'
import { migrate } from './migrations/migrate.ts'
import type { Change, KeptRecord, RecordCount, RecordKey, RecordStretch, RecordsNamed } from './record.ts'
import { countRecords, readRecord, readRecords, readRecordsNamed, readSnapshot } from './records.ts'
import { type Retention, trimLogs } from './retention.ts'
import { createSqliteCommit } from './sqlite-commit.ts'
import { openSqliteFile } from './sqlite-file.ts'
import { holdSqliteFile, type SqliteGuard } from './sqlite-guard.ts'
import type { FactDraft, LogHead, LogState, Store, Stored, Stretch } from './store.ts'
import type { Tables } from './tables.ts'

export interface SqliteOptions {
  /** A file's path, made with its folder when missing, or `:memory:`. */
  readonly file: string
  /** `full` survives a power loss as well as a crash, for an fsync a commit. */
  readonly synchronous: 'normal' | 'full'
  readonly retention: Retention
  /** How long to wait for a server that is just leaving the same file. */
  readonly waitMs?: number
}

const MAX_BATCH = 500
const WAIT_MS = 2000

/** @throws Error when the file cannot be opened, is held by another process, or was made by a newer version */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const inMemory = options.file === ':memory:'
  // Before the guard, so that what is no database gets no file beside it.
  const database = inMemory ? new Database(options.file) : openSqliteFile(options.file)
  let guard: SqliteGuard | undefined
  try {
    if (!inMemory) guard = holdSqliteFile(options.file, options.waitMs ?? WAIT_MS)
    database.pragma('journal_mode = WAL')
    database.pragma(`synchronous = ${options.synchronous}`)
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) })
    await migrate(db as Kysely<unknown>, options.file, sqliteColumns)
    const facts = await countFacts(db)
    if (guard && facts < guard.mark) await renewEpochs(db)
    guard?.remember(facts)
    return new SqliteStore(database, db, guard, facts, options.retention)
  } catch (error) {
    try {
      database.close()
    } finally {
      guard?.release()
    }
    throw error
  }
}

/** [SEQ5] A log that was restored is not the same log any more: positions in it must not be believed. */
async function renewEpochs(db: Kysely<Tables>): Promise<void> {
  await db.updateTable('channels').set({ epoch: sql`lower(hex(randomblob(8)))` }).execute()
}

async function countFacts(db: Kysely<Tables>): Promise<number> {
  const row = await db
    .selectFrom('channels')
    .select((eb) => eb.fn.sum<number>('head').as('facts'))
    .executeTakeFirst()
  return row?.facts ?? 0
}

class SqliteStore implements Store {
  readonly shared = false
  readonly #database: Database.Database
  readonly #db: Kysely<Tables>
  readonly #commits: GroupCommit<Work, unknown>
  readonly #guard: SqliteGuard | undefined
  readonly #retention: Retention
  #facts: number
  #closing: Promise<void> | undefined

  constructor(
    database: Database.Database,
    db: Kysely<Tables>,
    guard: SqliteGuard | undefined,
    facts: number,
    retention: Retention,
  ) {
    this.#database = database
    this.#db = db
    this.#guard = guard
    this.#facts = facts
    this.#retention = retention
    const commit = createSqliteCommit(database)
    this.#commits = new GroupCommit((batch) => {
      const outcomes = reached(() => commit(batch))
      this.#facts += batch.filter((work, i) => 'draft' in work && isNew(outcomes[i])).length
      this.#guard?.remember(this.#facts)
      return outcomes
    }, MAX_BATCH)
  }

  append(draft: FactDraft): Promise<Stored> {
    return this.#commits.push({ draft }) as Promise<Stored>
  }

  change<T>(change: Change<T>): Promise<T> {
    return this.#commits.push({ change }) as Promise<T>
  }

  async record(key: RecordKey): Promise<KeptRecord | undefined> {
    return this.#read(() => readRecord(this.#db, key))
  }

  async records(stretch: RecordStretch): Promise<KeptRecord[]> {
    return this.#read(() => readRecords(this.#db, stretch))
  }

  async recordsNamed(wanted: RecordsNamed): Promise<KeptRecord[]> {
    return this.#read(() => readRecordsNamed(this.#db, wanted))
  }

  async snapshot(channel: string, kind: string): Promise<LogState & { records: KeptRecord[] }> {
    return this.#read(async () => {
      const found = await readSnapshot(this.#db, channel, kind)
      if (found) return found
      await beginLog(this.#db, channel, newEpoch())
      return { ...((await logState(this.#db, channel)) as LogState), records: [] }
    })
  }

  async count(wanted: RecordCount): Promise<number> {
    return this.#read(() => countRecords(this.#db, wanted))
  }

  async open(channel: string): Promise<LogState> {
    return this.#read(async () => {
      const log = await logState(this.#db, channel)
      if (log) return log
      await beginLog(this.#db, channel, newEpoch())
      return (await logState(this.#db, channel)) as LogState
    })
  }

  async head(channel: string): Promise<number> {
    return this.#read(async () => (await logState(this.#db, channel))?.head ?? 0)
  }

  async heads(channels: readonly string[]): Promise<Map<string, LogHead>> {
    return this.#read(() => logHeads(this.#db, sql`in (select value from json_each(${JSON.stringify(channels)}))`))
  }

  async read(channel: string, stretch: Stretch) {
    return this.#read(() => readLog(this.#db, channel, stretch))
  }

  async trim(): Promise<number> {
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
    try {
      await this.#commits.settled()
      // So that the file alone is the whole log, to be copied or moved.
      this.#database.pragma('wal_checkpoint(TRUNCATE)')
    } finally {
      await this.#db.destroy().finally(() => this.#guard?.release())
    }
  }

  async #read<T>(query: () => Promise<T>): Promise<T> {
    await this.#commits.settled()
    return query().catch((error: unknown) => {
      throw unavailable(error)
    })
  }
}

function isNew(outcome: Outcome<unknown> | undefined): boolean {
  return outcome !== undefined && 'ok' in outcome && !(outcome.ok as Stored).duplicate
}

function reached<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw unavailable(error)
  }
}

function unavailable(cause: unknown): ConveneError {
  return new ConveneError('unavailable', 'The store cannot be reached; nothing was stored, try again', { cause })
}
