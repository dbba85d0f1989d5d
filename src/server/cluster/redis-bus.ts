import type { Metrics } from '../observe/metrics.ts'
import type { ClusterListener } from './cluster.ts'
import type { Failed } from './failures.ts'
import { type ClusterMessage, parseMessage } from './message.ts'
import type { Hear, RedisLife } from './redis-life.ts'
import type { Seal } from './sealed.ts'

const MAX_MESSAGE_BYTES = 1_048_576
const BATCH = 500

/** What nodes tell each other about themselves: `bye`, I end; `lost`, something I had to tell may not have gone out. */
export type NodeMessage = 'bye' | 'lost'

export interface RedisBusOptions {
  readonly node: string
  readonly prefix: string
  readonly seal: Seal
  readonly metrics: Metrics
  readonly failed: Failed
  /** None of it throws. */
  readonly listener: Pick<ClusterListener, 'received'>
  /** Something of another node about itself. */
  noted(message: NodeMessage, node: string): void
}

/** Each channel's messages between the nodes, on a Redis channel of its own that only those who want it hear. */
export class RedisBus {
  readonly #options: RedisBusOptions
  readonly #channels: string
  readonly #nodes: string
  readonly #own: Buffer
  /** How many in this instance want a channel. */
  readonly #wanted = new Map<string, number>()
  /** Each subscription of this life, by when it is confirmed. */
  #issued = new Map<string, Promise<void>>()
  #life: RedisLife | undefined
  #open = false
  #missed = false

  constructor(options: RedisBusOptions) {
    this.#options = options
    this.#channels = `${options.prefix}:bus:`
    this.#nodes = `${options.prefix}:nodes`
    this.#own = Buffer.from(`${options.node} `)
  }

  /** Subscribes to all that is wanted. @throws Error */
  async begin(life: RedisLife): Promise<void> {
    this.#life = life
    this.#issued = new Map()
    const issued = this.#issued
    const due = [...this.#wanted.keys()]
    await life.subscribe([this.#nodes], this.#hear)
    for (let at = 0; at < due.length; at += BATCH) {
      const batch = due.slice(at, at + BATCH).filter((channel) => this.#wanted.has(channel) && !issued.has(channel))
      if (batch.length > 0 && issued === this.#issued) await this.#issue(life, batch)
    }
    await Promise.all(issued.values())
  }

  began(): void {
    this.#open = true
  }

  ended(): void {
    this.#open = false
    this.#life = undefined
  }

  async subscribe(channel: string): Promise<void> {
    this.#wanted.set(channel, (this.#wanted.get(channel) ?? 0) + 1)
    const life = this.#life
    if (life) await (this.#issued.get(channel) ?? this.#issue(life, [channel])).catch(() => {})
  }

  unsubscribe(channel: string): void {
    const left = (this.#wanted.get(channel) ?? 0) - 1
    if (left > 0) {
      this.#wanted.set(channel, left)
      return
    }
    this.#wanted.delete(channel)
    const issued = this.#issued.get(channel)
    issued?.then(
      () => this.#giveUp(channel, issued),
      () => {},
    )
  }

  /**
   * Only of a subscription that is confirmed: the library takes one that is confirmed behind an unsubscribing for standing,
   * and a new one would then be made of nothing.
   */
  #giveUp(channel: string, issued: Promise<void>): void {
    if (this.#wanted.has(channel) || this.#issued.get(channel) !== issued) return
    this.#issued.delete(channel)
    this.#life?.unsubscribe(this.#channels + channel, this.#hear).catch(() => this.#options.failed('command'))
  }

  tell(message: ClusterMessage): void {
    this.#send(this.#channels + message.channel, () => JSON.stringify(message))
  }

  /** Tells every node something of this one. */
  tellNodes(message: NodeMessage): void {
    this.#send(this.#nodes, () => message)
  }

  /** Something told did not go out, or was shown too late. */
  miss(): void {
    this.#missed = true
  }

  /** Says so, once it can be said. */
  confess(): void {
    if (!this.#open || !this.#missed) return
    this.#missed = false
    this.tellNodes('lost')
  }

  #send(channel: string, write: () => string): void {
    const { failed, metrics, node, seal } = this.#options
    if (!this.#open || !this.#life) {
      this.#missed = true
      failed('unsent')
      return
    }
    try {
      const message = seal.close(channel, node, write())
      if (Buffer.byteLength(message) > MAX_MESSAGE_BYTES) {
        failed('too_large')
        return
      }
      metrics.clusterMessages.inc({ direction: 'sent' })
      this.#life.publish(channel, message).catch(() => {
        this.#missed = true
        failed('command')
      })
    } catch {
      failed('malformed')
    }
  }

  #issue(life: RedisLife, channels: readonly string[]): Promise<void> {
    const addresses = channels.map((channel) => this.#channels + channel)
    const confirmed = life.subscribe(addresses, this.#hear).catch((error: Error) => {
      // A subscription that was refused is missed by nobody but those who wait for it.
      life.end(error)
      throw error
    })
    confirmed.catch(() => {})
    for (const channel of channels) this.#issued.set(channel, confirmed)
    return confirmed
  }

  /** A throw from here would lose whatever came in the same read. */
  readonly #hear: Hear = (message, address) => {
    const { failed } = this.#options
    try {
      if (message.subarray(0, this.#own.byteLength).equals(this.#own)) return
      if (message.byteLength > MAX_MESSAGE_BYTES) failed('too_large')
      else this.#take(address.toString(), message)
    } catch {
      failed('malformed')
    }
  }

  /** @throws Error when it is no message for here */
  #take(address: string, sealed: Buffer): void {
    const { failed, listener, metrics, noted, seal } = this.#options
    const opened = seal.open(address, sealed)
    if (!opened) {
      failed('unsealed')
      return
    }
    const { sender, text } = opened
    if (address === this.#nodes) {
      if (text === 'bye' || text === 'lost') noted(text, sender)
      return
    }
    const channel = address.slice(this.#channels.length)
    const message = parseMessage(text)
    if (message.channel !== channel) throw new Error('a message of another channel')
    if (message.kind === 'presence' && message.node !== sender) throw new Error('presence of another node')
    if (!this.#wanted.has(channel)) return
    metrics.clusterMessages.inc({ direction: 'received' })
    listener.received(message)
  }
}
