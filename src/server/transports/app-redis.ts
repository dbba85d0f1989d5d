import { randomBytes } from 'node:crypto'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import { OutageLog } from '../cluster/outage-log.ts'
import type { RedisLife } from '../cluster/redis-life.ts'
import { RedisLink } from '../cluster/redis-link.ts'
import { checkedRedisUrl } from '../cluster/redis-url.ts'
import { APP_PATTERNS, type AppWord, hearApp } from '../dialects/community-app.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { AppRedisKeys, type IsElsewhere } from './app-redis-keys.ts'
import { isDeeper } from './json-depth.ts'

const MAX_MESSAGE_BYTES = 65_536
const LOG_EVERY_MS = 30_000

export interface AppRedisOptions {
  readonly url: string
  /** Begins the name of the one channel that is not the app's. */
  readonly prefix: string
  readonly logger: Logger
  readonly metrics: Metrics
  /** Takes what the app said. */
  take(word: AppWord): void
  readonly isElsewhere: IsElsewhere
}

/** The app's own Redis: hears what the app publishes there, and keeps the keys that it reads. With connections of its own. */
export class AppRedis {
  readonly keys: AppRedisKeys
  readonly #options: AppRedisOptions
  readonly #link: RedisLink
  #ignored = 0
  #loggedAt = Number.NEGATIVE_INFINITY

  /** @throws Error when `url` is no Redis URL */
  constructor(options: AppRedisOptions) {
    const { prefix, logger } = options
    this.#options = options
    this.keys = new AppRedisKeys(options.isElsewhere)
    const life = {
      url: checkedRedisUrl(options.url),
      probeChannel: `${prefix}:probe:${randomBytes(12).toString('hex')}`,
      sharding: false,
    }
    this.#link = new RedisLink(life, new OutageLog(logger, 'what the app publishes is not heard'), {
      begin: (next) => this.#begin(next),
      began: () => {
        const { life } = this.#link
        if (life) this.keys.began(life)
      },
      ended: () => this.keys.ended(),
    })
  }

  /** Whether the app is heard. */
  get isUp(): boolean {
    return this.#link.life !== undefined
  }

  /** Resolves when Redis is reached, or has been found not to be: then it is tried for ever. */
  start(): Promise<void> {
    return this.#link.start()
  }

  /** Takes this instance's people out of the app's keys, then lets go. Stopping twice is one stop. */
  async stop(): Promise<void> {
    await this.keys.takeBack()
    await this.#link.close()
  }

  async #begin(life: RedisLife): Promise<void> {
    const hear = (message: Buffer, channel: Buffer) => this.#hear(message, channel)
    for (const pattern of APP_PATTERNS) await life.subscribePattern(pattern, hear)
  }

  /** Does not throw: nothing that is published may harm anybody. */
  #hear(message: Buffer, channel: Buffer): void {
    try {
      const word = this.#wordIn(message, channel)
      if (word) this.#options.take(word)
      else this.#ignore()
    } catch (error) {
      this.#options.logger.error({ err: error }, 'what the app published could not be taken')
    }
  }

  #wordIn(message: Buffer, channel: Buffer): AppWord | undefined {
    if (message.byteLength > MAX_MESSAGE_BYTES) return undefined
    const text = message.toString()
    return isDeeper(text, MAX_DEPTH + 1) ? undefined : hearApp(channel.toString(), text)
  }

  #ignore(): void {
    this.#options.metrics.appMessages.inc({ outcome: 'ignored' })
    this.#ignored++
    if (performance.now() - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = performance.now()
    const expected = `{ type, payload } as JSON of at most ${MAX_MESSAGE_BYTES} bytes on room:<id> or group:<id>`
    this.#options.logger.warn(
      { ignored: this.#ignored },
      `ignored what was published on the app's Redis; expected ${expected}`,
    )
    this.#ignored = 0
  }
}
