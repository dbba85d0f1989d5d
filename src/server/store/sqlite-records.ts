import type Database from 'libsql'
import { PendingRecords } from './pending-records.ts'
import type { RecordKey } from './record.ts'
import { recordOf } from './records.ts'
import type { RecordsTable } from './tables.ts'

export interface SqliteRecords {
  /** Reads what a transaction is about to work on. */
  load(wanted: readonly RecordKey[]): PendingRecords
  /** Stores what became of it. */
  save(pending: PendingRecords): void
}

/** Reads and writes the records of a batch, a statement each however many there are. */
export function createSqliteRecords(db: Database.Database): SqliteRecords {
  const select = db.prepare(
    `select r.* from json_each(?) wanted cross join records r
     on r.scope = wanted.value->>0 and r.kind = wanted.value->>1 and r.id = wanted.value->>2`,
  )
  const upsert = db.prepare(
    `insert into records (scope, kind, id, seq, owner, deleted, data)
     select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 from json_each(?) where true
     on conflict (scope, kind, id) do update set
       seq = excluded.seq, owner = excluded.owner, deleted = excluded.deleted, data = excluded.data`,
  )
  const remove = db.prepare(
    `delete from records where rowid in (
       select r.rowid from json_each(?) gone cross join records r
       on r.scope = gone.value->>0 and r.kind = gone.value->>1 and r.id = gone.value->>2)`,
  )
  return {
    load(wanted) {
      const keys = [...new Map(wanted.map((key) => [namesOf([key]), key])).values()]
      const found = keys.length === 0 ? [] : (select.all(namesOf(keys)) as RecordsTable[]).map(recordOf)
      return new PendingRecords(wanted, found)
    },
    save(pending) {
      const { kept, gone } = pending.changes()
      if (gone.length > 0) remove.run(namesOf(gone))
      if (kept.length === 0) return
      const rows = kept.map(({ scope, kind, id, seq, owner, deleted, data }) => {
        return [scope, kind, id, seq, owner, deleted ? 1 : 0, JSON.stringify(data)]
      })
      upsert.run(JSON.stringify(rows))
    },
  }
}

function namesOf(keys: readonly RecordKey[]): string {
  return JSON.stringify(keys.map(({ scope, kind, id }) => [scope, kind, id]))
}
