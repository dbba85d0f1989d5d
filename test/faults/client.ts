import type { Socket } from 'socket.io-client'
import type { Envelope, FactReply } from '../../src/protocol/envelope.ts'
import type { Connected } from '../../src/protocol/session.ts'
import { clientOf, type Joined, type Transport } from '../support/connect.ts'
import { tokenFor } from '../support/token.ts'
import type { Happening, History } from './history.ts'

const ANSWER_MS = 3000
const COME_BACK_MS = 200
const TRY_AGAIN_MS = 30
/** Nothing was stored, and trying again may help. */
const NOT_YET = new Set(['not_joined', 'rate_limited', 'draining'])
/** It may have been stored. */
const UNCLEAR = new Set(['unavailable', 'internal'])

export interface MemberOptions {
  readonly client: string
  readonly url: string
  readonly channels: readonly string[]
  readonly history: History
  readonly transport?: Transport
  /** Another name for several connections of one person; `client` unless given. */
  readonly userId?: string
  readonly localAddress?: string | undefined
  /** Before it tries to come back; the stock client takes 1000. */
  readonly patienceMs?: number
}

interface Membership {
  position?: { readonly epoch: string; readonly seq: number }
  state: 'out' | 'in' | 'removed'
}

/**
 * A member of channels as an app would write one on the stock client: it reconnects by itself, rejoins with the position
 * it has reached, sends again with the same operationId what was not answered, and notes all that it does and sees.
 */
export class VirtualMember {
  readonly client: string
  readonly userId: string
  readonly socket: Socket
  /** The server it is connected to, by its own account. */
  node = ''
  readonly #history: History
  readonly #memberships: ReadonlyMap<string, Membership>
  #comingBack: NodeJS.Timeout | undefined
  #changed: (() => void)[] = []
  #closed = false

  constructor(options: MemberOptions) {
    const { client, userId = client, url, channels, history, localAddress } = options
    const { transport = 'websocket', patienceMs = 50 } = options
    this.client = client
    this.userId = userId
    this.#history = history
    this.#memberships = new Map(channels.map((channel) => [channel, { state: 'out' }]))
    this.socket = clientOf(url, {
      token: tokenFor(userId),
      transport,
      localAddress,
      reconnection: true,
      reconnectionDelay: patienceMs,
      reconnectionDelayMax: 4 * patienceMs,
      timeout: 5000,
    })
    this.socket.on('connected', ({ serverId }: Connected) => {
      this.node = serverId
      for (const channel of channels) this.#join(channel)
    })
    // The stock client leaves it at a refusal, and when a server says goodbye.
    this.socket.on('connect_error', () => this.#comeBack())
    this.socket.on('disconnect', (why) => {
      for (const channel of channels) this.#leave(channel, why)
      this.#comeBack()
    })
    this.socket.on('channel:left', ({ channel, reason }: { channel: string; reason: string }) => {
      this.#leave(channel, reason)
      if (reason === 'removed') this.#remove(channel)
    })
    this.socket.onAny((_event, body: Envelope | undefined) => {
      if (body && typeof body === 'object' && 'epoch' in body && 'seq' in body) this.#take(body, 'live')
    })
    this.socket.connect()
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Channels it has not been removed from. */
  get channels(): string[] {
    return [...this.#memberships].flatMap(([channel, { state }]) => (state === 'removed' ? [] : [channel]))
  }

  isIn(channel: string): boolean {
    return this.#memberships.get(channel)?.state === 'in'
  }

  wasRemoved(channel: string): boolean {
    return this.#memberships.get(channel)?.state === 'removed'
  }

  /** The seq it has come to on a channel; -1 before it has joined. */
  seq(channel: string): number {
    return this.#memberships.get(channel)?.position?.seq ?? -1
  }

  /** Whether it is in all channels that it was not removed from. */
  get isSettled(): boolean {
    return this.channels.every((channel) => this.isIn(channel))
  }

  /** Waits until something holds, looked at whenever something has happened to it. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds() && !this.#closed) await new Promise<void>((resolve) => this.#changed.push(resolve))
  }

  /**
   * Publishes until it is acknowledged, again and again with the same operationId, whatever happens in between.
   * @returns the reply; undefined when it was refused for good, or the member is closed meanwhile
   * @throws Error when it was closed before
   */
  async publish(channel: string, operationId: string, payload: object = {}): Promise<FactReply | undefined> {
    if (this.#closed) throw new Error(`${this.client} is closed`)
    this.#note(channel, { kind: 'invoke', operationId })
    let isClear = true
    while (!this.#closed) {
      await this.until(() => this.isIn(channel) || this.wasRemoved(channel))
      if (this.wasRemoved(channel) || this.#closed) break
      const body = { channel, operationId, payload }
      const reply = await this.socket
        .timeout(ANSWER_MS)
        .emitWithAck('task:update', body)
        .catch((error: Error) => error)
      if (reply instanceof Error) {
        isClear = false
        this.#note(channel, { kind: 'info', operationId, why: reply.message })
      } else if (reply.ok) {
        this.#note(channel, { kind: 'ok', operationId, epoch: reply.epoch, seq: reply.seq })
        return reply
      } else if (UNCLEAR.has(reply.error.code)) {
        isClear = false
        this.#note(channel, { kind: 'info', operationId, why: reply.error.code })
      } else if (!NOT_YET.has(reply.error.code)) {
        if (isClear) this.#note(channel, { kind: 'fail', operationId, code: reply.error.code })
        else this.#note(channel, { kind: 'info', operationId, why: reply.error.code })
        return undefined
      }
      const waitMs = reply instanceof Error ? TRY_AGAIN_MS : (reply.error.retryAfterMs ?? TRY_AGAIN_MS)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
    return undefined
  }

  /** Drops its connection as a network does; it comes back. */
  drop(): void {
    this.socket.io.engine?.close()
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#comingBack)
    this.socket.disconnect()
    this.#tell()
  }

  #join(channel: string): void {
    const membership = this.#memberships.get(channel)
    if (!membership || membership.state === 'removed') return
    const since = membership.position
    const { id } = this.socket
    const body = { channel, echo: true, ...(since && { since }) }
    this.socket.timeout(ANSWER_MS).emit('channel:join', body, (error: Error | null, reply: JoinAnswer) => {
      // Of a connection that is gone, or of a person who is.
      if (this.socket.id !== id || this.#closed) return
      if (error || !reply.ok) {
        if (!error && !reply.ok && reply.error.code === 'forbidden') this.#remove(channel)
        else setTimeout(() => this.socket.id === id && this.#join(channel), TRY_AGAIN_MS)
        return
      }
      const { epoch, head, reason: reset, events } = reply
      const facts = events.length
      this.#note(channel, { kind: 'joined', node: this.node, epoch, head, since: since?.seq, events: facts, reset })
      if (!since || reset) membership.position = { epoch, seq: head }
      for (const fact of events) this.#take(fact, 'caught up')
      membership.state = 'in'
      this.#tell()
    })
  }

  #take({ channel, epoch, seq, operationId }: Envelope, how: 'live' | 'caught up'): void {
    const membership = this.#memberships.get(channel)
    if (!membership) return
    membership.position = { epoch, seq }
    this.#note(channel, { kind: 'recv', epoch, seq, operationId, how })
    this.#tell()
  }

  #leave(channel: string, why: string): void {
    const membership = this.#memberships.get(channel)
    if (membership?.state !== 'in') return
    membership.state = 'out'
    this.#note(channel, { kind: 'left', why })
    this.#tell()
  }

  #remove(channel: string): void {
    const membership = this.#memberships.get(channel)
    if (membership) membership.state = 'removed'
    this.#tell()
  }

  #comeBack(): void {
    clearTimeout(this.#comingBack)
    if (this.#closed) return
    this.#comingBack = setTimeout(() => {
      if (!this.socket.active && !this.#closed) this.socket.connect()
    }, COME_BACK_MS)
  }

  #note(channel: string, happening: Happening): void {
    this.#history.note(this, channel, happening)
  }

  #tell(): void {
    for (const changed of this.#changed.splice(0)) changed()
  }
}

type JoinAnswer = ({ ok: true } & Joined) | { ok: false; error: { code: string } }
