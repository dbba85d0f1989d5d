import type { Envelope } from '../../protocol/envelope.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { Channel } from './channel.ts'
import type { Feeds, Followed } from './feeds.ts'

/** A channel that has members here, or is about to. */
export interface Live extends Followed {
  readonly channel: Channel
  /** Joins under way: the channel stays while there are any. */
  joining: number
}

export interface LiveChannelsOptions {
  /** Called for facts of a type, each in its place: whatever is after it waits until this has returned. */
  readonly reactions: Readonly<Record<string, (fact: Envelope) => void>>
  readonly feeds: Feeds
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
    const { feeds, metrics } = this.#options
    const channel = new Channel((facts) => metrics.delivered.inc(facts))
    const followed = feeds.follow(address, {
      next: (fact) => this.#next(channel, fact),
      renewed: () => channel.reset(),
    })
    const live: Live = { ...followed, channel, joining: 0 }
    this.#live.set(address, live)
    return live
  }

  leaveIfEmpty(address: string, live: Live): void {
    if (!live.channel.isEmpty || live.joining > 0 || this.#live.get(address) !== live) return
    this.#live.delete(address)
    this.#options.feeds.unfollow(address, live.feed)
  }

  /** Takes a fact that was stored here. */
  stored(fact: Envelope): void {
    this.#reactAhead(fact)
    this.#options.feeds.stored(fact)
  }

  /** Takes a fact that another instance has stored. */
  heard(fact: Envelope): void {
    this.#reactAhead(fact)
    this.#options.feeds.heard(fact)
  }

  /** A feed that is not there, or starts behind it, will not come to it: somebody may still be waited for. */
  #reactAhead(fact: Envelope): void {
    if (!this.#live.get(fact.channel)?.feed.started) this.#react(fact)
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
