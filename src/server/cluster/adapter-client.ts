import type { Failed } from './failures.ts'
import type { Hear, RedisLife } from './redis-life.ts'

/** Takes what came; may throw or give a promise, whatever its type says. */
type AdapterListener = (message: Buffer, channel: Buffer) => unknown

/**
 * What the Socket.IO adapter takes for a Redis client. The adapter awaits none of its calls, so none of them rejects but
 * `sendCommand`; and what it hears is handed over so that nothing it throws escapes.
 */
export class AdapterClient {
  readonly #failed: Failed
  readonly #maxBytes: number
  readonly #channels = new Map<string, Hear>()
  readonly #patterns = new Map<string, Hear>()
  #life: RedisLife | undefined

  readonly #emptied: () => void

  /** `emptied` is called when nothing is subscribed any more. */
  constructor(options: { failed: Failed; maxBytes: number; life: RedisLife | undefined; emptied: () => void }) {
    this.#failed = options.failed
    this.#maxBytes = options.maxBytes
    this.#life = options.life
    this.#emptied = options.emptied
  }

  get connected(): boolean {
    return this.#life !== undefined
  }

  /** Subscribes to all that is wanted. @throws Error */
  async begin(life: RedisLife): Promise<void> {
    this.#life = life
    for (const [pattern, hear] of this.#patterns) await life.subscribePattern(pattern, hear)
    for (const [channel, hear] of this.#channels) await life.subscribe([channel], hear)
  }

  ended(): void {
    this.#life = undefined
  }

  async publish(channel: string, message: string | Buffer): Promise<number> {
    // What could not be encoded is no message.
    if (message.length === 0) return 0
    if (Buffer.byteLength(message) > this.#maxBytes) this.#failed('too_large')
    else if (!this.#life) this.#failed('unsent')
    else await this.#life.publish(channel, message).catch(() => this.#failed('command'))
    return 0
  }

  /** @throws Error while Redis is away */
  async sendCommand(args: readonly string[]): Promise<unknown> {
    if (!this.#life) throw new Error('Redis is not reached')
    return await this.#life.ask(args)
  }

  async pSubscribe(pattern: string, listener: AdapterListener): Promise<void> {
    const hear = this.#guarded(listener)
    this.#patterns.set(pattern, hear)
    await this.#life?.subscribePattern(pattern, hear).catch((error: Error) => this.#refused(error))
  }

  async subscribe(channels: readonly string[], listener: AdapterListener): Promise<void> {
    const hear = this.#guarded(listener)
    for (const channel of channels) this.#channels.set(channel, hear)
    await this.#life?.subscribe(channels, hear).catch((error: Error) => this.#refused(error))
  }

  async pUnsubscribe(pattern: string): Promise<void> {
    const hear = this.#patterns.get(pattern)
    this.#patterns.delete(pattern)
    this.#lookEmpty()
    if (hear) await this.#life?.unsubscribePattern(pattern, hear).catch(() => this.#failed('command'))
  }

  async unsubscribe(channel: string): Promise<void> {
    const hear = this.#channels.get(channel)
    this.#channels.delete(channel)
    this.#lookEmpty()
    if (hear) await this.#life?.unsubscribe(channel, hear).catch(() => this.#failed('command'))
  }

  /** It sees to its errors itself. */
  on(): this {
    return this
  }

  off(): this {
    return this
  }

  /** Tells the adapter that this is a client of the `redis` package. */
  sSubscribe(): never {
    throw new Error('the classic adapter has no sharded channels')
  }

  #lookEmpty(): void {
    if (this.#patterns.size === 0 && this.#channels.size === 0) this.#emptied()
  }

  #refused(error: Error): void {
    this.#failed('command')
    // The next life begins with all that is wanted.
    this.#life?.end(error)
  }

  #guarded(listener: AdapterListener): Hear {
    return (message, channel) => {
      try {
        if (message.byteLength > this.#maxBytes) this.#failed('too_large')
        else listener(message, channel)
      } catch {
        this.#failed('malformed')
      }
    }
  }
}
