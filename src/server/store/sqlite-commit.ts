import { randomBytes } from 'node:crypto'
import type Database from 'libsql'
import { ConveneError } from '../../protocol/errors.ts'
import type { Outcome } from './group-commit.ts'
import { isSameOperation, type KeptOperation, operationMismatch, requestDigest } from './operation.ts'
import type { PendingRecords } from './pending-records.ts'
import type { Change, Decided, Place, RecordKey } from './record.ts'
import { createSqliteRecords } from './sqlite-records.ts'
import type { FactDraft, Stored } from './store.ts'

/** What is to be done in a transaction: a fact to append, or records to change without one. */
export type Work = { readonly draft: FactDraft } | { readonly change: Change<unknown> }

// Everybody waits for a batch: what would take longer is left for the next.
const MAX_BATCH_MS = 25

interface Log {
  readonly id: number
  readonly epoch: string
  head: number
}

type Row = KeptOperation & {
  channel_id: number
  operation_id: string
  seq: number
  timestamp: number
  result: string | null
}

/**
 * Does a batch of work in one transaction, in a few statements however many facts, channels and records there are: by
 * hand, because a statement a fact costs twice as much (shared facts, section 0). One outcome each, in order, for as many
 * of them as there was time for, at least one.
 */
export function createSqliteCommit(db: Database.Database): (batch: Work[]) => Outcome<unknown>[] {
  const records = createSqliteRecords(db)
  const selectLogs = db.prepare(
    'select address, id, epoch, head from channels where address in (select value from json_each(?))',
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
    `update channels set head = moved.value->>1 from json_each(?) moved where channels.id = moved.value->>0`,
  )

  function logsOf(addresses: string[]): Map<string, Log> {
    const logs = new Map<string, Log>()
    const read = (wanted: string[]) => {
      for (const row of selectLogs.all(JSON.stringify(wanted)) as (Log & { address: string })[]) {
        logs.set(row.address, { id: row.id, epoch: row.epoch, head: row.head })
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

  function keptOf(drafts: FactDraft[], logs: ReadonlyMap<string, Log>): Map<string, Row> {
    const wanted = drafts.map((draft) => [(logs.get(draft.channel) as Log).id, draft.operationId])
    const rows = wanted.length > 0 ? (selectKept.all(JSON.stringify(wanted)) as Row[]) : []
    return new Map(rows.map((row) => [`${row.channel_id} ${row.operation_id}`, row]))
  }

  function perform(batch: Work[]): Outcome<unknown>[] {
    const drafts = batch.flatMap((work) => ('draft' in work ? [work.draft] : []))
    const logs = logsOf([...new Set(drafts.map(({ channel }) => channel))])
    const kept = keptOf(drafts, logs)
    const pending = records.load(batch.flatMap(readsOf))
    const now = Date.now()
    const rows: unknown[][] = []
    const withdrawn: unknown[][] = []
    const moved = new Map<number, number>()

    function append(draft: FactDraft): Stored {
      const log = logs.get(draft.channel) as Log
      const key = `${log.id} ${draft.operationId}`
      const before = kept.get(key)
      if (before) return repeated(before, draft, log)
      const place = { epoch: log.epoch, seq: log.head + 1, timestamp: draft.timestamp ?? now }
      const { payload, writes, withdraws, result } = decide(draft, pending, place)
      const row: Row = {
        channel_id: log.id,
        operation_id: draft.operationId,
        seq: place.seq,
        type: draft.type,
        user: draft.user && JSON.stringify(draft.user),
        payload: jsonOf(payload),
        timestamp: place.timestamp,
        request: draft.rule ? requestDigest(draft) : null,
        result: result === undefined ? null : JSON.stringify(result),
      }
      pending.write(writes)
      for (const seq of withdraws?.seqs ?? []) withdrawn.push([log.id, seq, withdraws?.field])
      log.head = place.seq
      kept.set(key, row) // a repeat in the same batch is a repeat too
      moved.set(log.id, log.head)
      const { request } = row
      rows.push([
        log.id,
        row.seq,
        row.type,
        row.operation_id,
        row.user,
        row.payload,
        row.timestamp,
        request,
        row.result,
      ])
      return { ...place, duplicate: false, payload, bytes: row.payload.length, result }
    }

    function change({ decide }: Change<unknown>): unknown {
      const { writes, result } = decide(pending.read)
      pending.write(writes)
      return result
    }

    function outcomeOf(work: Work): Outcome<unknown> {
      try {
        return { ok: 'draft' in work ? append(work.draft) : change(work.change) }
      } catch (error) {
        // One that fails does not fail its neighbours.
        return { error: error as Error }
      }
    }

    const outcomes: Outcome<unknown>[] = []
    const enough = performance.now() + MAX_BATCH_MS
    for (const work of batch) {
      if (outcomes.length > 0 && performance.now() > enough) break
      outcomes.push(outcomeOf(work))
    }
    if (rows.length > 0) {
      insertEvents.run(JSON.stringify(rows))
      updateHeads.run(JSON.stringify([...moved]))
    }
    if (withdrawn.length > 0) withdraw.run(JSON.stringify(withdrawn))
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

function readsOf(work: Work): readonly RecordKey[] {
  return 'draft' in work ? (work.draft.rule?.reads ?? []) : work.change.reads
}

function decide({ rule, payload }: FactDraft, pending: PendingRecords, place: Place): Decided {
  return rule ? rule.decide(pending.read, place) : { payload, writes: [] }
}

/** @throws ConveneError `operation_mismatch` */
function repeated(before: Row, draft: FactDraft, log: Log): Stored {
  if (!isSameOperation(before, draft)) throw operationMismatch(draft.operationId)
  return {
    epoch: log.epoch,
    seq: before.seq,
    timestamp: before.timestamp,
    duplicate: true,
    bytes: before.payload.length,
    payload: JSON.parse(before.payload) as Stored['payload'],
    ...(before.result !== null && { result: JSON.parse(before.result) as Record<string, unknown> }),
  }
}

/**
 * A payload as JSON text.
 * @throws ConveneError `invalid`: an embedding program may give what has none, a BigInt say
 */
function jsonOf(payload: object): string {
  let text: string | undefined
  try {
    text = JSON.stringify(payload) as string | undefined
  } catch {}
  if (text === undefined) throw new ConveneError('invalid', 'payload: this cannot be written as JSON')
  return text
}

/** [SEQ5] A log's random name. */
export function newEpoch(): string {
  return randomBytes(8).toString('hex')
}
