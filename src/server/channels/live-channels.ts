import type { Envelope } from '../../protocol/envelope.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Store } from '../store/store.ts'
import { Channel } from './channel.ts'
import { Feed } from './feed.ts'

/** A channel that has members here, or is about to. */
export interface Live {
  readonly channel: Channel
  readonly feed: Feed
  /** Resolves when the feed knows where it starts. */
  readonly started: Promise<void>
  /** Joins under way: the channel stays while there are any. */
  joining: number
}

export interface LiveChannelsOptions {
  /** Called for facts of a type, each in its place: whatever is after it waits until this has returned. */
  readonly reactions: Readonly<Record<string, (fact: Envelope) => void>>
  readonly store: Store
  readonly cluster: Cluster
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The channels with members on this instance, each with its feed; they come with the first and go with the last. */
export class LiveChannels {
  readonly #options: LiveChannelsOptions
  readonly #live = new Map<string, Live>()

  constructor(options: LiveChannelsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#live.size
  }

  *[Symbol.iterator](): Iterator<[address: string, live: Live]> {
    yield* this.#live
  }

  get(address: string): Live | undefined {
    return this.#live.get(address)
  }

  enter(address: string): Live {
    const present = this.#live.get(address)
    if (present) return present
    const { store, cluster, logger, metrics } = this.#options
    const channel = new Channel((facts) => metrics.delivered.inc(facts))
    const feed = new Feed(
      store,
      address,
      (fact) => this.#next(channel, fact),
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

  leaveIfEmpty(address: string, live: Live): void {
    if (!live.channel.isEmpty || live.joining > 0 || this.#live.get(address) !== live) return
    this.#live.delete(address)
    live.feed.stop()
    this.#options.cluster.unsubscribe(address)
  }

  /** Takes a fact that was stored here. */
  received(fact: Envelope): void {
    const live = this.#live.get(fact.channel)
    // A feed that starts behind it will not come to it.
    if (!live?.feed.started) this.#react(fact)
    live?.feed.offer(fact)
    this.#options.cluster.tell({ kind: 'fact', channel: fact.channel, fact })
  }

  /** The next fact of a channel's log. */
  #next(channel: Channel, fact: Envelope): void {
    const reacts = Object.hasOwn(this.#options.reactions, fact.type)
    // The signals of this turn came before it, and are not for whom it may put out.
    if (reacts) channel.flush()
    channel.push(fact)
    if (!reacts) return
    channel.flush()
    this.#react(fact)
  }

  #react(fact: Envelope): void {
    if (!Object.hasOwn(this.#options.reactions, fact.type)) return
    try {
      this.#options.reactions[fact.type]?.(fact)
    } catch (error) {
      // What is stored goes out, whatever else was to become of it.
      this.#options.logger.error({ err: error, channel: fact.channel, seq: fact.seq }, 'a reaction failed')
    }
  }
}
