import { randomUUID } from 'node:crypto'
import type { Author, Envelope, FactReply } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { HistoryBody, HistoryReply, JoinBody } from '../../protocol/session.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Store } from '../store/store.ts'
import { type CatchUp, catchUp, newestOf, oldestOf, type ReplyLimits } from './catch-up.ts'
import { Channel } from './channel.ts'
import { Outgoing, type Subscriber } from './delivery.ts'
import { Feed } from './feed.ts'

/** A fact that somebody wants published. */
export interface Publication {
  readonly channel: string
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly operationId?: string | undefined
  readonly user: Author | null
  /** ms since 1970; now unless given. */
  readonly timestamp?: number | undefined
  /** The session that is to have the reply instead of the fact. */
  readonly origin?: string | undefined
}

/** A join that is done but for its reply: `open` lets the facts after it flow, once the reply has been sent. */
export interface Joined<Log> {
  readonly log: Log
  readonly open: () => void
}

interface Live {
  readonly channel: Channel
  readonly feed: Feed
  /** Resolves when the feed knows where it starts. */
  readonly started: Promise<void>
  /** Joins under way: the channel stays while there are any. */
  joining: number
}

export interface ChannelsOptions extends ReplyLimits {
  readonly store: Store
  readonly cluster: Cluster
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Every channel with members on this instance, and the one way in for facts. */
export class Channels {
  readonly #options: ChannelsOptions
  readonly #live = new Map<string, Live>()

  constructor(options: ChannelsOptions) {
    this.#options = options
  }

  /** Addresses and sessions of the channels that have members here. */
  *occupied(): Iterable<{ channel: string; sessions: string[] }> {
    for (const [channel, live] of this.#live) {
      if (live.channel.size > 0) yield { channel, sessions: live.channel.subscribers().map(({ id }) => id) }
    }
  }

  get size(): number {
    return this.#live.size
  }

  /** How many sessions a channel has on this instance. */
  sessionsIn(channel: string): number {
    return this.#live.get(channel)?.channel.size ?? 0
  }

  /**
   * Stores a fact, tells everybody, and resolves to its place: stored, however far it was delivered by then.
   * @throws ConveneError `operation_mismatch`, `unavailable`
   */
  async publish(publication: Publication): Promise<FactReply> {
    const { operationId = randomUUID(), origin, ...rest } = publication
    const { channel, type, user, payload } = rest
    const live = this.#live.get(channel)?.channel
    // Of two tries under way at once the first is the author's; the other's answer must not make it forgotten.
    const isOrigin = origin !== undefined && live?.publishing(operationId, origin)
    try {
      const { duplicate, epoch, seq, timestamp } = await this.#options.store.append({ ...rest, operationId })
      if (duplicate) {
        if (isOrigin) live?.forget(operationId)
        return { epoch, seq, operationId, timestamp, duplicate: true }
      }
      this.#options.metrics.facts.inc()
      this.#received({
        type,
        channel: channel as Envelope['channel'],
        epoch,
        seq,
        operationId,
        user,
        payload,
        timestamp,
      })
      return { epoch, seq, operationId, timestamp }
    } catch (error) {
      if (isOrigin) live?.forget(operationId)
      throw error
    }
  }

  /**
   * Makes a session a member, with what its request wants of the log.
   * @throws ConveneError `unavailable`
   */
  join(subscriber: Subscriber, request: JoinBody): Promise<Joined<CatchUp>> {
    const read = () => catchUp(this.#options.store, request, this.#options)
    return this.#join(subscriber, request.channel, request.echo ?? false, read)
  }

  /**
   * Makes a session a member from now on; what was before it may ask for later.
   * @throws ConveneError `unavailable`
   */
  follow(subscriber: Subscriber, channel: string): Promise<Joined<{ head: number }>> {
    return this.#join(subscriber, channel, false, async ({ feed }) => ({ head: feed.position }))
  }

  /** Subscribe, hold back, read, merge; the caller sends the reply and then opens. */
  async #join<Log extends { head: number }>(
    subscriber: Subscriber,
    channel: string,
    echo: boolean,
    read: (live: Live) => Promise<Log>,
  ): Promise<Joined<Log>> {
    const live = this.#enter(channel)
    live.joining++
    const before = live.channel.member(subscriber.id)
    try {
      await live.started
      if (subscriber.closed) throw gone()
      const member = live.channel.admit(subscriber, echo)
      const log = await read(live)
      await live.feed.reach(log.head)
      if (live.channel.member(subscriber.id) !== member) throw gone()
      live.channel.settle(member, log.head)
      // Gone while the store was read, or cut by what it was just delivered: nobody would take it out again, and a
      // reply would tell of a head that it has not reached.
      if (subscriber.closed) throw gone()
      return { log, open: () => live.channel.open(member) }
    } catch (error) {
      // Somebody who was a member stays one: only this joining failed.
      if (!before) live.channel.remove(subscriber.id)
      else if (live.channel.member(subscriber.id) === before) live.channel.open(before)
      throw error
    } finally {
      live.joining--
      this.#leaveIfEmpty(channel, live)
    }
  }

  leave(subscriber: Subscriber, channel: string): void {
    const live = this.#live.get(channel)
    if (!live) return
    live.channel.flush()
    live.channel.remove(subscriber.id)
    this.#leaveIfEmpty(channel, live)
  }

  /** @throws ConveneError `unavailable` */
  async history({ channel, after, before, limit }: HistoryBody): Promise<HistoryReply> {
    const { store, maxReplyBytes } = this.#options
    const { epoch, head, floor } = await store.open(channel)
    const newest = after === undefined
    const events = await store.read(channel, { after, before: Math.min(before ?? head + 1, head + 1), limit, newest })
    return { epoch, head, floor, events: newest ? newestOf(events, maxReplyBytes) : oldestOf(events, maxReplyBytes) }
  }

  /** Tells the members on this instance something that is not kept, all but one session's. */
  tell(channel: string, event: string, body: unknown, exceptSession?: string): void {
    const told = [new Outgoing(event, body)]
    for (const subscriber of this.#live.get(channel)?.channel.subscribers() ?? []) {
      if (subscriber.id !== exceptSession) subscriber.deliver(told)
    }
  }

  #received(fact: Envelope): void {
    this.#live.get(fact.channel)?.feed.offer(fact)
    this.#options.cluster.publish(fact)
  }

  #enter(address: string): Live {
    const present = this.#live.get(address)
    if (present) return present
    const { store, cluster, logger, metrics } = this.#options
    const channel = new Channel((facts) => metrics.delivered.inc(facts))
    const feed = new Feed(
      store,
      address,
      (fact) => channel.push(fact),
      (error) => logger.warn({ err: error, channel: address }, 'a hole in the feed could not be filled yet'),
    )
    // The subscription first, or what is told between the two would be missed.
    const started = cluster
      .subscribe(address)
      .then(() => store.head(address))
      .then((head) => feed.start(head))
    const live: Live = { channel, feed, started, joining: 0 }
    this.#live.set(address, live)
    return live
  }

  #leaveIfEmpty(address: string, live: Live): void {
    if (live.channel.size > 0 || live.joining > 0 || this.#live.get(address) !== live) return
    this.#live.delete(address)
    live.feed.stop()
    this.#options.cluster.unsubscribe(address)
  }
}

function gone(): ConveneError {
  return new ConveneError('not_joined', 'The session ended or left the channel while it was joining')
}
