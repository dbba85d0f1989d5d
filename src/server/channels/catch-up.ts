import type { Envelope } from '../../protocol/envelope.ts'
import type { HistoryBody, HistoryReply, JoinBody, ResetReason } from '../../protocol/session.ts'
import type { LogState, Store } from '../store/store.ts'

/** What a join's reply says of the log: where it stands, and what the session is given of it. */
export interface CatchUp {
  readonly epoch: string
  readonly head: number
  readonly recovered: boolean
  readonly reason?: ResetReason
  readonly events: Envelope[]
}

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
export async function catchUp(store: Store, request: JoinBody, limits: ReplyLimits): Promise<CatchUp> {
  const { channel, since, last = 0 } = request
  const { epoch, head, floor } = await store.open(channel)
  if (!since) {
    const stretch = { before: head + 1, limit: last, newest: true, maxBytes: limits.maxReplyBytes }
    return { epoch, head, recovered: false, events: last > 0 ? await store.read(channel, stretch) : [] }
  }
  const reset = (reason: ResetReason): CatchUp => ({ epoch, head, recovered: false, reason, events: [] })
  const refusal = refusalOf(since, { epoch, head, floor }, limits.maxCatchUp)
  if (refusal) return reset(refusal)

  const missed = head - since.seq
  const stretch = { after: since.seq, before: head + 1, limit: missed, maxBytes: limits.maxReplyBytes }
  const events = missed > 0 ? await store.read(channel, stretch) : []
  if (events.length === missed) return { epoch, head, recovered: true, events }
  // Too large, unless it was trimmed while it was read.
  return reset(since.seq < (await store.open(channel)).floor - 1 ? 'expired' : 'too_many')
}

/** A page of the log: the newest, or the oldest after a place. */
export async function historyOf(
  store: Store,
  { channel, after, before, limit }: HistoryBody,
  { maxReplyBytes }: ReplyLimits,
): Promise<HistoryReply & { events: Envelope[] }> {
  const { epoch, head, floor } = await store.open(channel)
  const newest = after === undefined
  const upTo = Math.min(before ?? head + 1, head + 1)
  return {
    epoch,
    head,
    floor,
    events: await store.read(channel, { after, before: upTo, limit, newest, maxBytes: maxReplyBytes }),
  }
}

function refusalOf(since: { epoch: string; seq: number }, log: LogState, maxCatchUp: number): ResetReason | undefined {
  if (since.epoch !== log.epoch) return 'epoch_changed'
  if (since.seq > log.head) return 'ahead'
  if (since.seq < log.floor - 1) return 'expired'
  if (log.head - since.seq > maxCatchUp) return 'too_many'
  return undefined
}
