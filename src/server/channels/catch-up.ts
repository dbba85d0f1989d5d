import type { Envelope, LogEntry } from '../../protocol/envelope.ts'
import { jsonBytes } from '../../protocol/limits.ts'
import type { HistoryBody, HistoryReply, JoinBody, ResetReason } from '../../protocol/session.ts'
import type { LogState, Store } from '../store/store.ts'
import { hiddenFact, type Subscriber } from './delivery.ts'

/** What a join's reply says of the log: where it stands, and what the session is given of it. */
export interface CatchUp {
  readonly epoch: string
  readonly head: number
  readonly recovered: boolean
  readonly reason?: ResetReason
  readonly events: LogEntry[]
}

/** Who a log is read for, as far as it matters what they may see of it. */
type Reader = Pick<Subscriber, 'hides'>

/** How much of a log one reply may bring. */
export interface ReplyLimits {
  /** Facts of a catch-up. */
  readonly maxCatchUp: number
  /** Bytes of the facts in any reply. */
  readonly maxReplyBytes: number
}

/**
 * [JOIN2] to [JOIN4] All that a returning session missed, or none of it and why. Never a part.
 * @throws ConveneError `unavailable`
 */
export async function catchUp(store: Store, request: JoinBody, reader: Reader, limits: ReplyLimits): Promise<CatchUp> {
  const { channel, since, last = 0 } = request
  const { epoch, head, floor } = await store.open(channel)
  if (!since) {
    const events = last > 0 ? await store.read(channel, { before: head + 1, limit: last, newest: true }) : []
    return { epoch, head, recovered: false, events: newestOf(seenBy(events, reader), limits.maxReplyBytes) }
  }
  const reset = (reason: ResetReason): CatchUp => ({ epoch, head, recovered: false, reason, events: [] })
  const refusal = refusalOf(since, { epoch, head, floor }, limits.maxCatchUp)
  if (refusal) return reset(refusal)

  const missed = head - since.seq
  const facts = missed > 0 ? await store.read(channel, { after: since.seq, before: head + 1, limit: missed }) : []
  // Trimmed while it was read.
  if (facts.length < missed) return reset('expired')
  const events = seenBy(facts, reader)
  if (bytesOf(events) > limits.maxReplyBytes) return reset('too_many')
  return { epoch, head, recovered: true, events }
}

/** A page of the log: the newest, or the oldest after a place. */
export async function historyOf(
  store: Store,
  { channel, after, before, limit }: HistoryBody,
  reader: Reader | undefined,
  { maxReplyBytes }: ReplyLimits,
): Promise<HistoryReply> {
  const { epoch, head, floor } = await store.open(channel)
  const newest = after === undefined
  const facts = await store.read(channel, { after, before: Math.min(before ?? head + 1, head + 1), limit, newest })
  const events = seenBy(facts, reader)
  return { epoch, head, floor, events: newest ? newestOf(events, maxReplyBytes) : oldestOf(events, maxReplyBytes) }
}

/** [MSG1] A log as somebody may see it; a server sees all of it. */
function seenBy(facts: Envelope[], reader: Reader | undefined): LogEntry[] {
  return reader ? facts.map((fact) => (reader.hides(fact) ? hiddenFact(fact) : fact)) : facts
}

function refusalOf(since: { epoch: string; seq: number }, log: LogState, maxCatchUp: number): ResetReason | undefined {
  if (since.epoch !== log.epoch) return 'epoch_changed'
  if (since.seq > log.head) return 'ahead'
  if (since.seq < log.floor - 1) return 'expired'
  if (log.head - since.seq > maxCatchUp) return 'too_many'
  return undefined
}

function bytesOf(events: readonly LogEntry[]): number {
  let bytes = 0
  for (const event of events) bytes += jsonBytes(event)
  return bytes
}

/**
 * The newest events that fit into one page, at least one. Without an end to it, whoever writes large facts would have
 * everybody cut who asks for the last of them: a reply has to fit through the outbox.
 */
function newestOf<T>(events: T[], maxBytes: number): T[] {
  return oldestOf(events.toReversed(), maxBytes).reverse()
}

/** The first events that fit into one page, at least one. */
export function oldestOf<T>(events: T[], maxBytes: number): T[] {
  let bytes = 0
  const end = events.findIndex((event, i) => {
    bytes += jsonBytes(event)
    return i > 0 && bytes > maxBytes
  })
  return end === -1 ? events : events.slice(0, end)
}
