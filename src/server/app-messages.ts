import { setTimeout as pause } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { ConveneError, catalogued } from '../protocol/errors.ts'
import type { Channels } from './channels/channels.ts'
import { editsOf, messageKey, messageOf } from './chat/message-record.ts'
import { type AppFact, type AppWord, appOperationId } from './dialects/community-app.ts'
import type { Logger } from './observe/logger.ts'
import type { Metrics } from './observe/metrics.ts'
import { reasonOf } from './observe/reason.ts'
import type { Signals } from './signals/signals.ts'
import type { KeptRecord } from './store/record.ts'
import type { Store } from './store/store.ts'

// So long may the database be away.
const TRY_FOR_MS = 30_000
const TRY_EVERY_MS = 500
// Facts that may wait for it.
const MAX_WAITING = 1000
// Messages of which it is remembered what was said.
const MAX_REMEMBERED = 20_000
// Instances that say the same say it within so long.
const SAME_WORD_MS = 60_000
const LOG_EVERY_MS = 30_000

export interface AppMessagesOptions {
  readonly store: Store
  readonly channels: Pick<Channels, 'publish'>
  readonly signals: Pick<Signals, 'relay'>
  readonly logger: Logger
  readonly metrics: Metrics
  /** Shared by all instances, and by nobody else. */
  readonly key: Buffer
}

/**
 * What an app's server says on its own Redis. Every instance hears it: what is a fact is kept once, whichever instance is
 * first, and reaches everybody by the log; the rest each instance tells its own members.
 */
export class AppMessages {
  readonly #options: AppMessagesOptions
  /** The last fact under way of each channel: they are kept in the order they were said. */
  readonly #lanes = new Map<string, Promise<void>>()
  /** What was said of each message, as the id of the last word, in which those before it are. */
  readonly #said = new LRUCache<string, string>({ max: MAX_REMEMBERED })
  readonly #stopping = new AbortController()
  #waiting = 0
  #loggedAt = Number.NEGATIVE_INFINITY

  constructor(options: AppMessagesOptions) {
    this.#options = options
  }

  /** Does not throw, and nobody waits for it. */
  take(word: AppWord): void {
    const { channel, fact } = word
    if (!fact || this.#waiting >= MAX_WAITING) {
      this.#relay(word)
      return
    }
    this.#waiting++
    const heardAt = performance.now()
    const before = this.#lanes.get(channel) ?? Promise.resolve()
    const lane = before
      .then(() => this.#keep(word, fact, heardAt))
      .catch((error: unknown) => this.#options.logger.error({ err: error }, 'what the app published was lost'))
      .finally(() => {
        this.#waiting--
        if (this.#lanes.get(channel) === lane) this.#lanes.delete(channel)
      })
    this.#lanes.set(channel, lane)
  }

  /** Resolves when what was taken has been kept, or has failed. Nothing is tried again any more. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#lanes.values())
  }

  /** Keeps a fact; one that cannot be kept is told all the same. Does not reject. */
  async #keep(word: AppWord, fact: AppFact, heardAt: number): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      try {
        if (await this.#publish(word.channel, fact)) this.#options.metrics.appMessages.inc({ outcome: 'kept' })
        else this.#relay(word)
        return
      } catch (thrown) {
        const error = catalogued(thrown)
        const isAway = error.code === 'unavailable' && performance.now() - heardAt < TRY_FOR_MS
        if (isAway && (await pause(TRY_EVERY_MS, true, { signal }).catch(() => false))) continue
        this.#logFailure(error)
        this.#relay(word)
        return
      }
    }
  }

  /**
   * Whether it is kept, now or before.
   * @throws ConveneError `unavailable`, whatever else it is refused with
   */
  async #publish(channel: string, fact: AppFact): Promise<boolean> {
    const record = await this.#record(channel, fact)
    const message = `${channel} ${fact.messageId}`
    // Of a message that this instance has not heard of before, what the store knows stands for what was said.
    const before = this.#said.get(message) ?? (fact.user ? 'nothing' : placeOf(record))
    const operationId = appOperationId(fact, before, this.#options.key)
    const isSo = record !== undefined && fact.isSo(messageOf(record))
    const isKept = isSo || (await this.#append(channel, fact, record, operationId, SAME_WORD_MS))
    this.#said.set(message, operationId)
    return isKept
  }

  /** One that was kept longer ago than `withinMs` was another word, and this one is kept as well. */
  async #append(
    channel: string,
    fact: AppFact,
    record: KeptRecord | undefined,
    operationId: string,
    withinMs: number,
  ): Promise<boolean> {
    const { type, payload, timestamp } = fact
    const user = fact.user ?? (record && messageOf(record).user)
    // What happens to a message that was never kept.
    if (user === undefined) return false
    // An app's server knows what somebody may do. Only, others' messages are not theirs.
    const role = user ? 'editor' : 'admin'
    let refusal: unknown
    try {
      const reply = await this.#options.channels.publish({ channel, type, payload, operationId, timestamp, user, role })
      // Another instance has kept it, and what was said next perhaps as well.
      if (!reply.duplicate || Date.now() - reply.timestamp < withinMs) return true
    } catch (error) {
      if (!(error instanceof ConveneError) || error.code === 'unavailable') throw error
      refusal = error
    }
    // Another instance, or the author, may have been at it meanwhile.
    const now = await this.#record(channel, fact)
    if (now && fact.isSo(messageOf(now))) return true
    if (refusal) throw refusal
    // Said again after a restart.
    return this.#append(
      channel,
      fact,
      now,
      appOperationId(fact, placeOf(now), this.#options.key),
      Number.POSITIVE_INFINITY,
    )
  }

  #record(channel: string, { messageId }: AppFact): Promise<KeptRecord | undefined> {
    return this.#options.store.record(messageKey(channel, messageId))
  }

  #relay({ signal }: AppWord): void {
    this.#options.metrics.appMessages.inc({ outcome: 'relayed' })
    this.#options.signals.relay(signal)
  }

  #logFailure(error: ConveneError): void {
    if (performance.now() - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = performance.now()
    const reason = error.cause === undefined ? { reason: error.message } : reasonOf(error.code, error.cause)
    this.#options.logger.warn(reason, 'what the app published was told, but not kept')
  }
}

/** The fact that changed a message last. */
function placeOf(record: KeptRecord | undefined): string {
  return `after ${record ? (editsOf(record).at(-1) ?? record.seq) : 0}`
}
