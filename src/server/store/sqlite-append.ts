import { randomBytes } from 'node:crypto'
import type Database from 'libsql'
import { ConveneError } from '../../protocol/errors.ts'
import type { Outcome } from './group-commit.ts'
import { isSameOperation, type KeptOperation, operationMismatch } from './operation.ts'
import type { FactDraft, Stored } from './store.ts'

interface Log {
  readonly id: number
  readonly epoch: string
  head: number
}

type Kept = KeptOperation & { channel_id: number; operation_id: string; seq: number; timestamp: number }

/**
 * Appends a batch of facts in one transaction, in five statements however many facts and channels
 * there are: by hand, because a statement a fact costs twice as much (shared facts, section 0).
 */
export function createSqliteAppend(db: Database.Database): (drafts: FactDraft[]) => Outcome<Stored>[] {
  const selectLogs = db.prepare(
    'select address, id, epoch, head from channels where address in (select value from json_each(?))',
  )
  const insertLogs = db.prepare(
    `insert into channels (address, epoch) select value->>0, value->>1 from json_each(?) where true
     on conflict (address) do nothing`,
  )
  const selectKept = db.prepare(
    `select e.channel_id, e.operation_id, e.seq, e.type, e.user, e.payload, e.timestamp
     from json_each(?) wanted cross join events e
     on e.channel_id = wanted.value->>0 and e.operation_id = wanted.value->>1`,
  )
  const insertEvents = db.prepare(
    `insert into events (channel_id, seq, type, operation_id, user, payload, timestamp)
     select value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 from json_each(?)`,
  )
  const updateHeads = db.prepare(
    `update channels set head = moved.value->>1 from json_each(?) moved where channels.id = moved.value->>0`,
  )

  function logsOf(addresses: string[]): Map<string, Log> {
    const logs = new Map<string, Log>()
    const read = (wanted: string[]) => {
      for (const row of selectLogs.all(JSON.stringify(wanted)) as (Log & { address: string })[]) {
        logs.set(row.address, { id: row.id, epoch: row.epoch, head: row.head })
      }
    }
    read(addresses)
    const missing = addresses.filter((address) => !logs.has(address))
    if (missing.length > 0) {
      insertLogs.run(JSON.stringify(missing.map((address) => [address, newEpoch()])))
      read(missing)
    }
    return logs
  }

  function append(drafts: FactDraft[]): Outcome<Stored>[] {
    const logs = logsOf([...new Set(drafts.map(({ channel }) => channel))])
    const kept = new Map<string, Kept>()
    const wanted = drafts.map((draft) => [(logs.get(draft.channel) as Log).id, draft.operationId])
    for (const row of selectKept.all(JSON.stringify(wanted)) as Kept[]) {
      kept.set(`${row.channel_id} ${row.operation_id}`, row)
    }

    const now = Date.now()
    const rows: unknown[][] = []
    const moved = new Map<number, number>()
    const outcomes = drafts.map((draft): Outcome<Stored> => {
      const log = logs.get(draft.channel) as Log
      const key = `${log.id} ${draft.operationId}`
      const payload = jsonOf(draft.payload)
      if (payload === undefined)
        return { error: new ConveneError('invalid', 'payload: this cannot be written as JSON') }
      const before = kept.get(key)
      if (before) {
        if (!isSameOperation(before, draft)) return { error: operationMismatch(draft.operationId) }
        return { ok: { epoch: log.epoch, seq: before.seq, timestamp: before.timestamp, duplicate: true } }
      }
      const row = {
        channel_id: log.id,
        operation_id: draft.operationId,
        seq: ++log.head,
        type: draft.type,
        user: draft.user && JSON.stringify(draft.user),
        payload,
        timestamp: draft.timestamp ?? now,
      }
      kept.set(key, row) // a repeat in the same batch is a repeat too
      moved.set(log.id, log.head)
      rows.push([row.channel_id, row.seq, row.type, row.operation_id, row.user, row.payload, row.timestamp])
      return { ok: { epoch: log.epoch, seq: row.seq, timestamp: row.timestamp, duplicate: false } }
    })
    if (rows.length > 0) {
      insertEvents.run(JSON.stringify(rows))
      updateHeads.run(JSON.stringify([...moved]))
    }
    return outcomes
  }

  return (drafts) => {
    db.exec('begin immediate')
    try {
      const outcomes = append(drafts)
      db.exec('commit')
      return outcomes
    } catch (error) {
      // A full disk has ended the transaction already, and what went wrong first is what matters.
      if (db.inTransaction) db.exec('rollback')
      throw error
    }
  }
}

/** A payload as JSON text. An embedding program may give what has none, a BigInt say: that is its own failure only. */
function jsonOf(payload: object): string | undefined {
  try {
    return JSON.stringify(payload)
  } catch {
    return undefined
  }
}

/** [SEQ5] A log's random name. */
export function newEpoch(): string {
  return randomBytes(8).toString('hex')
}
