import { randomBytes } from 'node:crypto'
import { ConveneError } from '../../protocol/errors.ts'
import type { Outcome } from './group-commit.ts'
import { isSameOperation, type KeptOperation, operationMismatch, requestDigest } from './operation.ts'
import type { PendingRecords } from './pending-records.ts'
import type { Change, Decided, Place, RecordKey } from './record.ts'
import { type FactDraft, StandingChanged, type Stored } from './store.ts'

/** What is to be done in a transaction: a fact to append, or records to change without one. */
export type Work = { readonly draft: FactDraft } | { readonly change: Change<unknown> }

/** A channel's log, as a transaction has it. */
export interface Log {
  readonly id: number
  readonly epoch: string
  head: number
  standing: number
}

/** A fact as it is kept. */
export interface EventRow extends KeptOperation {
  readonly channel_id: number
  readonly operation_id: string
  readonly seq: number
  readonly timestamp: number
  readonly result: string | null
}

/** What a transaction has read before anything is decided. */
export interface BatchState {
  readonly logs: ReadonlyMap<string, Log>
  /** By `operationKey`. */
  readonly kept: Map<string, EventRow>
  readonly pending: PendingRecords
}

/** What is to be written, in the same transaction. */
export interface Decisions {
  /** One each, in order, for as many as there was time for. */
  readonly outcomes: Outcome<unknown>[]
  readonly rows: EventRow[]
  /** The logs that have moved. */
  readonly moved: ReadonlySet<Log>
  readonly withdrawn: { readonly channelId: number; readonly seq: number; readonly field: string }[]
}

// Everybody waits for a batch: what would take longer is left for the next.
const MAX_BATCH_MS = 25

/** The channels that a batch appends to. */
export function channelsOf(batch: readonly Work[]): string[] {
  return [...new Set(draftsOf(batch).map(({ channel }) => channel))]
}

export function draftsOf(batch: readonly Work[]): FactDraft[] {
  return batch.flatMap((work) => ('draft' in work ? [work.draft] : []))
}

/** The records that changes decide by. */
export function readsOfChanges(batch: readonly Work[]): RecordKey[] {
  return batch.flatMap((work) => ('change' in work ? work.change.reads : []))
}

/** The records that a batch decides by. As whom an author stands is read only where it may have changed. */
export function readsOf(batch: readonly Work[], logs: ReadonlyMap<string, Log>): RecordKey[] {
  return batch.flatMap((work) => {
    if ('change' in work) return work.change.reads
    const { channel, rule, stands, standing } = work.draft
    const mayHaveChanged = standing !== undefined && standing < (logs.get(channel) as Log).standing
    return [...(rule?.reads ?? []), ...(stands && mayHaveChanged ? [stands] : [])]
  })
}

export function operationKey(channelId: number, operationId: string): string {
  return `${channelId} ${operationId}`
}

/** Decides a batch in its order: each fact sees what those before it have written. One that fails does not fail its neighbours. */
export function decideBatch(batch: readonly Work[], { logs, kept, pending }: BatchState): Decisions {
  const now = Date.now()
  const outcomes: Outcome<unknown>[] = []
  const rows: EventRow[] = []
  const moved = new Set<Log>()
  const withdrawn: { channelId: number; seq: number; field: string }[] = []

  function append(draft: FactDraft): Stored {
    const log = logs.get(draft.channel) as Log
    const key = operationKey(log.id, draft.operationId)
    const before = kept.get(key)
    if (before) return repeated(before, draft, log)
    const changed = changedSince(draft, log, pending)
    if (changed !== undefined) throw new StandingChanged(changed)
    const place = { epoch: log.epoch, seq: log.head + 1, timestamp: draft.timestamp ?? now }
    const { payload, writes, withdraws, result, changesStanding } = decide(draft, pending, place)
    const row: EventRow = {
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
    if (withdraws) {
      for (const seq of withdraws.seqs) withdrawn.push({ channelId: log.id, seq, field: withdraws.field })
    }
    log.head = place.seq
    if (changesStanding) log.standing = place.seq
    kept.set(key, row) // a repeat in the same batch is a repeat too
    moved.add(log)
    rows.push(row)
    return { ...place, duplicate: false, payload, bytes: row.payload.length, result }
  }

  function change({ decide }: Change<unknown>): unknown {
    const { writes, result } = decide(pending.read)
    pending.write(writes)
    return result
  }

  const enough = performance.now() + MAX_BATCH_MS
  for (const work of batch) {
    if (outcomes.length > 0 && performance.now() > enough) break
    try {
      outcomes.push({ ok: 'draft' in work ? append(work.draft) : change(work.change) })
    } catch (error) {
      outcomes.push({ error: error as Error })
    }
  }
  return { outcomes, rows, moved, withdrawn }
}

/**
 * Where it changed what the author may do, after the place up to which that is known. What others may do changes all the
 * time: whoever waited for none of it would never get to write.
 */
function changedSince({ standing, stands }: FactDraft, log: Log, pending: PendingRecords): number | undefined {
  if (standing === undefined || standing >= log.standing) return undefined
  if (!stands) return log.standing
  // Not read: nothing had changed before this batch, and nothing of theirs has in it.
  const seq = pending.knows(stands) ? (pending.read(stands)?.seq ?? 0) : 0
  return seq > standing ? seq : undefined
}

function decide({ rule, payload }: FactDraft, pending: PendingRecords, place: Place): Decided {
  return rule ? rule.decide(pending.read, place) : { payload, writes: [] }
}

/** @throws ConveneError `operation_mismatch` */
function repeated(before: EventRow, draft: FactDraft, log: Log): Stored {
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
