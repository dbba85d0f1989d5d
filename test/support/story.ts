import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket } from 'socket.io-client'
import type { Envelope, FactReply } from '../../src/protocol/envelope.ts'
import { cleanup } from './cleanup.ts'
import { clientOf, type Joined, type Transport } from './connect.ts'
import { tokenFor } from './token.ts'

/** A folder of the test's own, removed when it ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'convene-'))
  cleanup(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export type Published = { operationId: string; payload: Record<string, unknown> }

/**
 * A member as an app would write one on the stock client: it reconnects by itself, rejoins with the position it has
 * reached, and keeps every fact it is told of, with what is wrong with them.
 */
export class Member {
  readonly facts: Envelope[] = []
  /** What must never happen: a gap, a repeat, another epoch, a reset. */
  readonly faults: string[] = []
  /** Replies to what it published, by operationId. */
  readonly acknowledged = new Map<string, FactReply>()
  readonly socket: Socket
  readonly #channel: string
  #position: { epoch: string; seq: number } | undefined
  #joined = false
  #refused: Error | undefined
  #changed: (() => void)[] = []

  constructor(url: string, userId: string, channel: string, transport: Transport) {
    this.#channel = channel
    this.socket = clientOf(url, {
      token: tokenFor(userId),
      transport,
      reconnection: true,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
    })
    this.socket.on('connect', () => this.#join())
    // The stock client gives up after a refusal; waiting on would be for ever.
    this.socket.on('connect_error', (error: Error & { data?: unknown }) => {
      if (error.data === undefined) return
      this.#refused = error
      this.#tell()
    })
    this.socket.on('disconnect', () => {
      this.#joined = false
    })
    this.socket.onAny((event: string, body: Envelope | undefined) => {
      if (body && typeof body === 'object' && 'epoch' in body && body.channel === channel) this.#take(body)
      if (event === 'error') this.faults.push(`error ${JSON.stringify(body)}`)
    })
    this.socket.connect()
  }

  get seq(): number {
    return this.#position?.seq ?? 0
  }

  get epoch(): string | undefined {
    return this.#position?.epoch
  }

  #join(): void {
    const since = this.#position
    const body = { channel: this.#channel, echo: true, ...(since && { since }) }
    this.socket.emit('channel:join', body, (reply: ({ ok: true } & Joined) | { ok: false; error: unknown }) => {
      if (!reply.ok) return this.faults.push(`join refused ${JSON.stringify(reply.error)}`)
      if (!since) this.#position = { epoch: reply.epoch, seq: reply.head }
      else if (!reply.recovered) this.faults.push(`reset: ${reply.reason}`)
      for (const fact of reply.events) this.#take(fact)
      if (this.seq !== reply.head) this.faults.push(`the reply's head is ${reply.head}, its facts end at ${this.seq}`)
      this.#joined = true
      return this.#tell()
    })
  }

  #take(fact: Envelope): void {
    const position = this.#position
    if (!position) this.faults.push(`fact ${fact.seq} before the join's reply`)
    else if (fact.epoch !== position.epoch) this.faults.push(`epoch ${fact.epoch} after ${position.epoch}`)
    else if (fact.seq !== position.seq + 1) this.faults.push(`fact ${fact.seq} after ${position.seq}`)
    this.#position = { epoch: fact.epoch, seq: fact.seq }
    this.facts.push(fact)
    this.#tell()
  }

  #tell(): void {
    for (const changed of this.#changed.splice(0)) changed()
  }

  /** Waits until something holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#refused) throw this.#refused
      await new Promise<void>((resolve) => this.#changed.push(resolve))
    }
  }

  /** Resolves when it is a member. */
  joined(): Promise<void> {
    return this.until(() => this.#joined)
  }

  /**
   * Publishes until it is acknowledged, again and again with the same operationId, whatever happens in between.
   * @returns how often it had to be sent
   */
  async publish({ operationId, payload }: Published): Promise<number> {
    for (let sent = 1; ; sent++) {
      await this.joined()
      const body = { channel: this.#channel, operationId, payload }
      const reply = await this.socket
        .timeout(5000)
        .emitWithAck('task:update', body)
        .catch(() => undefined)
      if (reply?.ok) {
        this.acknowledged.set(operationId, reply)
        return sent
      }
      // Not while disconnected, nor refused for another reason than a lost place or a full bucket.
      if (reply && !['not_joined', 'rate_limited'].includes(reply.error.code))
        this.faults.push(JSON.stringify(reply.error))
      await new Promise((resolve) => setTimeout(resolve, reply?.error.retryAfterMs ?? 20))
    }
  }
}
