import { randomUUID } from 'node:crypto'
import type { Envelope } from '../../protocol/envelope.ts'
import type { Logger } from '../observe/logger.ts'
import type { RecordWrite } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import type { Feeds, Followed } from './feeds.ts'

// No channel's address looks like this, so nobody joins it, reads it or publishes to it.
const ADDRESS = 'control'

/** What one instance has done that all have to know: somebody was revoked, or blocked. */
export type ControlReactions = Readonly<
  Record<string, (payload: Readonly<Record<string, unknown>>) => void | Promise<void>>
>

export interface ControlOptions {
  readonly store: Store
  readonly feeds: Feeds
  readonly reactions: () => ControlReactions
  /** What was told may have been missed: whoever is here has to be looked at anew. */
  renewed(): void
  readonly logger: Logger
}

/**
 * What no instance may miss, as a log of its own that each of them follows: told at once over the bus, and found in the
 * store, as facts are, when the bus is away [LIFE2].
 */
export class Control {
  readonly #options: ControlOptions
  readonly #followed: Followed
  #reacting: Promise<void> = Promise.resolve()

  constructor(options: ControlOptions) {
    this.#options = options
    this.#followed = options.feeds.follow(ADDRESS, {
      next: (fact) => this.#react(fact),
      // What happened in between is in the records, which are read of whoever comes: so all have to come again.
      renewed: () => options.renewed(),
    })
  }

  /** Resolves when nothing that is told from now on will be missed. */
  get started(): Promise<void> {
    return this.#followed.started
  }

  /**
   * Stores what was done along with the records that say so, and tells every instance. Resolves when it has taken effect
   * on this one.
   * @throws ConveneError `unavailable`
   */
  async tell(type: string, payload: Record<string, unknown>, writes: readonly RecordWrite[] = []): Promise<void> {
    const { store, feeds } = this.#options
    const operationId = randomUUID()
    const rule = { reads: [], decide: () => ({ payload, writes }) }
    const { epoch, seq, timestamp } = await store.append({
      channel: ADDRESS,
      type,
      operationId,
      user: null,
      payload,
      rule,
    })
    const channel = ADDRESS as Envelope['channel']
    feeds.stored({ type, channel, epoch, seq, operationId, user: null, payload, timestamp })
    await this.#followed.feed.reach(seq)
    await this.#reacting
  }

  #react({ type, payload, seq }: Envelope): void {
    const react = async () => {
      const reactions = this.#options.reactions()
      if (Object.hasOwn(reactions, type)) await reactions[type]?.(payload)
    }
    this.#reacting = react().catch((error: unknown) => {
      this.#options.logger.error({ err: error, type, seq }, 'an instance could not do what it was told')
    })
  }
}
