import { setTimeout as pause } from 'node:timers/promises'
import type { OutageLog } from './outage-log.ts'
import { type LifeOptions, RedisLife } from './redis-life.ts'

const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1000
// A life that lasted so long did not fail at once, so the next one is tried soon.
const LASTING_MS = 5000
const START_MS = 3000

/** Who lives on a link. */
export interface LinkUser {
  /** Makes a new life fit for use. @throws Error when it is not */
  begin(life: RedisLife): Promise<void>
  /** It is in use. */
  began(): void
  /** It is not any more, or never came to be. */
  ended(): void
}

/** Keeps a life on Redis for ever: when one ends, a new one is made. */
export class RedisLink {
  readonly #options: LifeOptions
  readonly #log: OutageLog
  readonly #user: LinkUser
  readonly #closing = new AbortController()
  #life: RedisLife | undefined
  #up = false
  #running: Promise<void> | undefined

  constructor(options: LifeOptions, log: OutageLog, user: LinkUser) {
    this.#options = options
    this.#log = log
    this.#user = user
  }

  /** The life that is in use. */
  get life(): RedisLife | undefined {
    return this.#up ? this.#life : undefined
  }

  /** Begins. Resolves when Redis is reached, or has been found not to be. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => {
      const tooLong = setTimeout(resolve, START_MS)
      this.#running = this.#run(() => {
        clearTimeout(tooLong)
        resolve()
      })
    })
  }

  /** Lets go at once. Closing twice is one close. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#life?.end(new Error('closed'))
    await this.#running
  }

  async #run(tried: () => void): Promise<void> {
    const { signal } = this.#closing
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted) {
      const life = new RedisLife(this.#options)
      this.#life = life
      const beganAt = performance.now()
      const ready = await this.#begin(life)
      if (ready) {
        this.#up = true
        this.#log.back()
        this.#user.began()
      }
      tried()
      const reason = await life.ended
      this.#up = false
      this.#user.ended()
      if (signal.aborted) return
      this.#log.away(reason)
      pauseMs = performance.now() - beganAt > LASTING_MS ? FIRST_PAUSE_MS : Math.min(MAX_PAUSE_MS, pauseMs * 2)
      await pause(pauseMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
    }
  }

  /** Whether it came to be; one that did not has ended. */
  async #begin(life: RedisLife): Promise<boolean> {
    const prepared = life.open().then(() => this.#user.begin(life))
    prepared.catch((error: Error) => life.end(error))
    return await Promise.race([prepared.then(() => true), life.ended.then(() => false)]).catch(() => false)
  }
}
