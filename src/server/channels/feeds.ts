import type { Envelope } from '../../protocol/envelope.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Store } from '../store/store.ts'
import { Feed, type FeedListener } from './feed.ts'

const WITHOUT_BUS_MS = 4000

/** A log that is followed here. */
export interface Followed {
  readonly feed: Feed
  /** Resolves when the feed knows where it starts. */
  readonly started: Promise<void>
}

export interface FeedsOptions {
  readonly store: Store
  readonly cluster: Cluster
  /** Within which a fact that nobody told this instance of is found [SEQ4]. */
  readonly headCheckMs: number
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The logs that are followed on this instance, each with its feed. What other instances stored is found here. */
export class Feeds {
  readonly #options: FeedsOptions
  readonly #feeds = new Map<string, Feed>()
  #timer: NodeJS.Timeout | undefined
  #checking: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #stopped = false

  constructor(options: FeedsOptions) {
    this.#options = options
    if (options.store.shared) this.#checkLater()
  }

  follow(address: string, { next, renewed }: Pick<FeedListener, 'next' | 'renewed'>): Followed {
    const { store, cluster, logger, metrics } = this.#options
    const feed = new Feed(store, address, {
      next,
      renewed() {
        metrics.renewedLogs.inc()
        logger.warn({ channel: address }, 'the log is not the same any more; whoever followed it starts over')
        renewed()
      },
      failed: (error) => logger.warn({ err: error, channel: address }, 'a feed could not be repaired yet'),
    })
    this.#feeds.set(address, feed)
    // The subscription first, or what is told between the two would be missed.
    const started = cluster
      .subscribe(address)
      .then(() => store.heads([address]))
      .then((heads) => {
        if (this.#feeds.get(address) === feed) feed.start(heads.get(address))
      })
    // Whoever waits for it has its failure; nobody may have come to that.
    started.catch(() => {})
    return { feed, started }
  }

  unfollow(address: string, feed: Feed): void {
    feed.stop()
    if (this.#feeds.get(address) !== feed) return
    this.#feeds.delete(address)
    this.#options.cluster.unsubscribe(address)
  }

  /** Takes a fact that was stored here, and tells the other instances. */
  stored(fact: Envelope): void {
    this.heard(fact)
    this.#options.cluster.tell({ kind: 'fact', channel: fact.channel, fact })
  }

  /** Takes a fact that another instance has stored. */
  heard(fact: Envelope): void {
    this.#feeds.get(fact.channel)?.offer(fact)
  }

  /** Compares with the store how far each log has come: now or, when that is just being done, once right after. */
  check(): Promise<void> {
    this.#next ??= this.#checking.then(() => {
      this.#next = undefined
      this.#checking = this.#compare()
      return this.#checking
    })
    return this.#next
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    for (const feed of this.#feeds.values()) feed.stop()
    this.#feeds.clear()
  }

  async #compare(): Promise<void> {
    const { store, logger, metrics } = this.#options
    const followed = Array.from(this.#feeds, ([address, feed]) => ({ address, feed, place: feed.place }))
    if (this.#stopped || followed.length === 0) return
    try {
      const heads = await store.heads(followed.map(({ address }) => address))
      for (const { address, feed, place } of followed) feed.compare(heads.get(address), place)
    } catch (error) {
      if (this.#stopped) return
      metrics.failedHeadChecks.inc()
      logger.warn({ err: error }, 'the heads of the logs could not be compared; they will be')
    }
  }

  /** Often enough that finding, reading and delivering take no longer than promised; while the bus is away, more often. */
  #checkLater(): void {
    const { headCheckMs, cluster } = this.#options
    const oftenMs = cluster.health === 'degraded' ? headCheckMs / 4 : (headCheckMs * 3) / 4
    // Without the bus this is also how a revocation is found, within 5 s [LIFE2].
    const inMs = cluster.health === 'ok' ? oftenMs : Math.min(oftenMs, WITHOUT_BUS_MS)
    this.#timer = setTimeout(async () => {
      await this.check()
      if (!this.#stopped) this.#checkLater()
    }, inMs).unref()
  }
}
