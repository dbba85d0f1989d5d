import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { type ConveneError, ERRORS } from '../../protocol/errors.ts'
import type { Closing, Door, PlainDialect } from '../dialects/dialect.ts'
import type { Connection, Outgoing } from '../session/connection.ts'
import { guarded } from './guarded.ts'
import { PlainOutbox } from './plain-outbox.ts'

const COME_BACK: Closing = { code: ERRORS.draining.close, reason: 'Connect again' }

export interface PlainConnectionOptions {
  readonly id: string
  readonly address: string
  readonly door: Door
  readonly dialect: PlainDialect
  readonly maxOutboundBytes: number
  /** Called when the client is cut because it does not read. */
  slow(): void
  /** Called when the client is cut because its dialect threw: a defect of ours, which is not to end anybody else. */
  failed(error: unknown): void
}

/** A client on a plain WebSocket as the rest of the house sees it: told everything in its dialect's words. */
export class PlainConnection implements Connection {
  readonly id: string
  readonly address: string
  readonly counts: 'people' | 'sessions'
  readonly older = true
  /** Whether it was closed for good, so that nobody waits for it. */
  sentAway = false
  readonly #ws: WebSocket
  readonly #door: Door
  readonly #dialect: PlainDialect
  readonly #outbox: PlainOutbox
  readonly #failed: (error: unknown) => void

  constructor(ws: WebSocket, pipe: Duplex, options: PlainConnectionOptions) {
    this.id = options.id
    this.address = options.address
    this.counts = options.door.counts
    this.#ws = ws
    this.#door = options.door
    this.#dialect = options.dialect
    this.#outbox = new PlainOutbox(ws, pipe, options.maxOutboundBytes, () => {
      options.slow()
      this.cut()
    })
    this.#failed = options.failed
  }

  get open(): boolean {
    return this.#ws.readyState === this.#ws.OPEN && !this.#outbox.overflowed
  }

  get ready(): boolean {
    return this.#outbox.ready
  }

  measure(event: Outgoing): number {
    return this.#inItsWords(event).reduce((sum, frame) => sum + Buffer.byteLength(frame), 0)
  }

  drained(): Promise<void> {
    return this.#outbox.drained()
  }

  send(event: string, body: unknown): void {
    this.write(this.#inItsWords({ event, body, as: (write) => write(event, body) }))
  }

  deliver(events: readonly Outgoing[]): void {
    this.write(events.flatMap((event) => this.#inItsWords(event)))
  }

  /** Sends frames as they are. */
  write(frames: readonly string[]): void {
    this.#outbox.write(frames)
  }

  pong(data: Buffer): void {
    this.#outbox.pong(data)
  }

  // An embedding application's `io.to(channel)` is Socket.IO's own [CH2].
  entered(): void {}
  exited(): void {}

  close(error: ConveneError): void {
    const body = error.toBody()
    this.send('error', body)
    this.sentAway ||= !body.retryable
    const code = ERRORS[error.code].close ?? ERRORS[body.retryable ? 'internal' : 'invalid'].close
    this.#close(this.#door.closing(body) ?? { code, reason: error.message })
  }

  reset(): void {
    this.#close(COME_BACK)
  }

  cut(): void {
    this.#ws.terminate()
  }

  /** Calls the dialect, and has its client come back where that throws. */
  guarded<T>(words: () => readonly T[]): readonly T[] {
    return guarded(words, this.#failed, () => this.cut())
  }

  #inItsWords(event: Outgoing): readonly string[] {
    return this.guarded(() => this.#dialect.tell(event))
  }

  #close({ code, reason }: Closing): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return
    this.#ws.close(code, fitting(reason))
    // Its last word is waited for.
    this.#ws.resume()
  }
}

// What a close frame has room for, less what may come of half a character.
const REASON_BYTES = 120

function fitting(reason: string): string {
  return Buffer.from(reason).subarray(0, REASON_BYTES).toString()
}
