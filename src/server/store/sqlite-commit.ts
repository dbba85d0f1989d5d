import type Database from 'libsql'
import {
  channelsOf,
  decideBatch,
  draftsOf,
  type EventRow,
  type Log,
  newEpoch,
  operationKey,
  readsOf,
  type Work,
} from './batch.ts'
import type { Outcome } from './group-commit.ts'
import { createSqliteRecords } from './sqlite-records.ts'
import type { FactDraft } from './store.ts'

/**
 * Does a batch of work in one transaction, in a few statements however many facts, channels and records there are: by
 * hand, because a statement a fact costs twice as much (shared facts, section 0). One outcome each, in order, for as many
 * of them as there was time for, at least one.
 */
export function createSqliteCommit(db: Database.Database): (batch: Work[]) => Outcome<unknown>[] {
  const records = createSqliteRecords(db)
  const selectLogs = db.prepare(
    'select address, id, epoch, head, standing from channels where address in (select value from json_each(?))',
  )
  const insertLogs = db.prepare(
    `insert into channels (address, epoch) select value->>0, value->>1 from json_each(?) where true
     on conflict (address) do nothing`,
  )
  const selectKept = db.prepare(
    `select e.channel_id, e.operation_id, e.seq, e.type, e.user, e.payload, e.timestamp, e.request, e.result
     from json_each(?) wanted cross join events e
     on e.channel_id = wanted.value->>0 and e.operation_id = wanted.value->>1`,
  )
  const insertEvents = db.prepare(
    `insert into events (channel_id, seq, type, operation_id, user, payload, timestamp, request, result)
     select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8
     from json_each(?)`,
  )
  const withdraw = db.prepare(
    `update events set payload = json_set(events.payload, '$.' || (gone.value->>2), '') from json_each(?) gone
     where events.channel_id = gone.value->>0 and events.seq = gone.value->>1`,
  )
  const updateHeads = db.prepare(
    `update channels set head = moved.value->>1, standing = moved.value->>2
     from json_each(?) moved where channels.id = moved.value->>0`,
  )

  function logsOf(addresses: string[]): Map<string, Log> {
    const logs = new Map<string, Log>()
    const read = (wanted: string[]) => {
      for (const { address, ...log } of selectLogs.all(JSON.stringify(wanted)) as (Log & { address: string })[]) {
        logs.set(address, log)
      }
    }
    if (addresses.length > 0) read(addresses)
    const missing = addresses.filter((address) => !logs.has(address))
    if (missing.length > 0) {
      insertLogs.run(JSON.stringify(missing.map((address) => [address, newEpoch()])))
      read(missing)
    }
    return logs
  }

  function keptOf(drafts: FactDraft[], logs: ReadonlyMap<string, Log>): Map<string, EventRow> {
    const wanted = drafts.map((draft) => [(logs.get(draft.channel) as Log).id, draft.operationId])
    const rows = wanted.length > 0 ? (selectKept.all(JSON.stringify(wanted)) as EventRow[]) : []
    return new Map(rows.map((row) => [operationKey(row.channel_id, row.operation_id), row]))
  }

  function perform(batch: Work[]): Outcome<unknown>[] {
    const logs = logsOf(channelsOf(batch))
    const kept = keptOf(draftsOf(batch), logs)
    const pending = records.load(readsOf(batch, logs))
    const { outcomes, rows, moved, withdrawn } = decideBatch(batch, { logs, kept, pending })
    if (rows.length > 0) {
      insertEvents.run(JSON.stringify(rows.map(valuesOf)))
      updateHeads.run(JSON.stringify(Array.from(moved, ({ id, head, standing }) => [id, head, standing])))
    }
    if (withdrawn.length > 0) {
      withdraw.run(JSON.stringify(withdrawn.map(({ channelId, seq, field }) => [channelId, seq, field])))
    }
    records.save(pending)
    return outcomes
  }

  return (batch) => {
    db.exec('begin immediate')
    try {
      const outcomes = perform(batch)
      db.exec('commit')
      return outcomes
    } catch (error) {
      // A full disk has ended the transaction already, and what went wrong first is what matters.
      if (db.inTransaction) db.exec('rollback')
      throw error
    }
  }
}

function valuesOf(row: EventRow): unknown[] {
  const { channel_id, seq, type, operation_id, user, payload, timestamp, request, result } = row
  return [channel_id, seq, type, operation_id, user, payload, timestamp, request, result]
}
