import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from 'redis'
import { within } from './within.ts'

const CONNECT_MS = 1000
const ANSWER_MS = 1500
const SUBSCRIBE_MS = 1000
const PROBE_EVERY_MS = 1000
// What waits for a Redis that has stopped reading, until the probe finds it.
const MAX_WAITING_COMMANDS = 20_000
const MAX_WAITING_BYTES = 16_777_216
const SHARDED_SINCE = 7

type Client = ReturnType<typeof connection>

/** Gets what came on a channel. */
export type Hear = (message: Buffer, channel: Buffer) => void

/** What a life is made of. */
export interface LifeOptions {
  readonly url: string
  /** A Redis channel of this node alone. */
  readonly probeChannel: string
  /** Whether channels may be sharded ones, where Redis has them. */
  readonly sharding: boolean
}

/**
 * One life of two connections to Redis, one that says and one that hears. They end together, and are never repaired: a
 * subscription that a library restores behind one's back is a hole that nobody sees. A probe goes round through both all
 * the time, for a Redis that is frozen, a connection that is half open, or a subscriber that is deaf says nothing by itself.
 */
export class RedisLife {
  /** Resolves to the reason. */
  readonly ended: Promise<Error>
  readonly #options: LifeOptions
  readonly #commands: Client
  readonly #subscriber: Client
  readonly #over = new AbortController()
  #sharded = false
  #waitingBytes = 0
  #probed: { readonly token: string; readonly heard: () => void } | undefined

  constructor(options: LifeOptions) {
    this.#options = options
    this.#commands = connection(options.url, (error) => this.end(error))
    this.#subscriber = connection(options.url, (error) => this.end(error))
    this.ended = new Promise((resolve) => {
      this.#over.signal.addEventListener('abort', () => resolve(this.#over.signal.reason as Error))
    })
  }

  get sharded(): boolean {
    return this.#sharded
  }

  /**
   * Connects, and sees the probe go round once.
   * @throws Error saying why not
   */
  async open(): Promise<void> {
    const connected = Promise.all([this.#commands.connect(), this.#subscriber.connect()])
    await within(connected, ANSWER_MS, 'connecting to Redis')
    this.#sharded = this.#options.sharding && (await this.#canShard())
    const { probeChannel } = this.#options
    const hear: Hear = (message) => {
      if (this.#probed && message.equals(Buffer.from(this.#probed.token))) this.#probed.heard()
    }
    const subscribed = this.#subscribed([probeChannel], hear).catch(async (error: Error) => {
      if (!this.#sharded) throw error
      // What imitates a newer Redis may not do all of it.
      this.#sharded = false
      await this.#subscribed([probeChannel], hear)
    })
    await within(subscribed, SUBSCRIBE_MS, 'subscribing to the probe')
    await this.#probe()
    void this.#keepProbing()
  }

  /** Sends a command at once, in the order of the calls. Rejects when Redis refuses it or the life ends before the answer. */
  async send(args: readonly string[]): Promise<unknown> {
    return await this.#commands.sendCommand(args)
  }

  /** As `send`; an answer that does not come in time ends the life. */
  async ask(args: readonly string[]): Promise<unknown> {
    return await this.#answered(this.send(args), ANSWER_MS, args[0] ?? '')
  }

  /**
   * Sends a message at once, in the order of the calls.
   * @throws Error when too much waits already, or it cannot be sent
   */
  async publish(channel: string, message: string | Buffer): Promise<void> {
    const bytes = Buffer.byteLength(message)
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) throw new Error('Redis does not read')
    this.#waitingBytes += bytes
    try {
      await this.#commands.sendCommand([this.#sharded ? 'SPUBLISH' : 'PUBLISH', channel, message])
    } finally {
      this.#waitingBytes -= bytes
    }
  }

  /** Resolves when Redis has confirmed it; otherwise the life ends. `hear` is the same one for a channel always. */
  async subscribe(channels: readonly string[], hear: Hear): Promise<void> {
    await this.#answered(this.#subscribed(channels, hear), SUBSCRIBE_MS, 'subscribing')
  }

  async unsubscribe(channel: string, hear: Hear): Promise<void> {
    if (this.#sharded) await this.#subscriber.sUnsubscribe(channel, hear, true)
    else await this.#subscriber.unsubscribe(channel, hear, true)
  }

  /** As `subscribe`, to every channel of a pattern. */
  async subscribePattern(pattern: string, hear: Hear): Promise<void> {
    await this.#answered(this.#subscriber.pSubscribe(pattern, hear, true), SUBSCRIBE_MS, 'subscribing')
  }

  async unsubscribePattern(pattern: string, hear: Hear): Promise<void> {
    await this.#subscriber.pUnsubscribe(pattern, hear, true)
  }

  /** Lets go at once. Ending twice is one end. */
  end(reason: Error): void {
    if (this.#over.signal.aborted) return
    this.#over.abort(reason)
    for (const client of [this.#commands, this.#subscriber]) release(client)
  }

  async #subscribed(channels: readonly string[], hear: Hear): Promise<void> {
    if (this.#sharded) await this.#subscriber.sSubscribe([...channels], hear, true)
    else await this.#subscriber.subscribe([...channels], hear, true)
  }

  async #answered<T>(answer: Promise<T>, ms: number, what: string): Promise<T> {
    let settled = false
    const watched = answer.finally(() => {
      settled = true
    })
    return await within(watched, ms, what).catch((error: Error) => {
      if (!settled) this.end(error)
      throw error
    })
  }

  /** HELLO and not INFO: who may not do dangerous things may say HELLO. A Redis Cluster shards in a way of its own. */
  async #canShard(): Promise<boolean> {
    const reply = await within(
      this.send(['HELLO']).catch(() => []),
      ANSWER_MS,
      'HELLO',
    )
    const fields = Array.isArray(reply) ? reply.map(String) : []
    const fieldOf = (name: string) => (fields.includes(name) ? fields[fields.indexOf(name) + 1] : undefined)
    return Number.parseInt(fieldOf('version') ?? '', 10) >= SHARDED_SINCE && fieldOf('mode') !== 'cluster'
  }

  async #keepProbing(): Promise<void> {
    const { signal } = this.#over
    try {
      while (!signal.aborted) {
        await pause(PROBE_EVERY_MS, undefined, { signal })
        await this.#probe()
      }
    } catch (error) {
      this.end(error as Error)
    }
  }

  async #probe(): Promise<void> {
    const token = randomBytes(12).toString('hex')
    const round = new Promise<void>((resolve, reject) => {
      this.#probed = { token, heard: resolve }
      this.publish(this.#options.probeChannel, token).catch(reject)
    })
    await within(round, ANSWER_MS, 'the probe through Redis')
  }
}

function connection(url: string, failed: (error: Error) => void) {
  const client = createClient({
    url,
    RESP: 2, // older Redis and what imitates it speak this one
    disableClientInfo: true,
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING_COMMANDS,
    // The library's own limit counts only until a command is written, and costs a timer each.
    commandOptions: { timeout: 0 },
    socket: { reconnectStrategy: false, connectTimeout: CONNECT_MS },
  })
  return client.on('error', failed)
}

function release(client: Client): void {
  client.destroy()
  // While it connects, the library has no socket yet that it could close.
  client.once('connect', () => client.destroy())
}
