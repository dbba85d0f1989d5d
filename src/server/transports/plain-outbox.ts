import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

// About what a slow phone takes in a tenth of a second; facts that wait here make signals stale.
const READY_BYTES = 16_384

// Whoever reads less than this in a while reads nothing, as far as others are concerned: what it asked for waits.
const DRAINED_WITHIN_MS = 30_000

/** What goes out to one client on a plain WebSocket, bounded: one that does not read is cut when too much waits for it. */
export class PlainOutbox {
  readonly #ws: WebSocket
  readonly #pipe: Duplex
  readonly #maxBytes: number
  readonly #overflow: () => void
  #overflowed = false
  #whenWritten: (() => void)[] = []

  /** `pipe` is what the WebSocket writes to. */
  constructor(ws: WebSocket, pipe: Duplex, maxBytes: number, overflow: () => void) {
    this.#ws = ws
    this.#pipe = pipe
    this.#maxBytes = maxBytes
    this.#overflow = overflow
    ws.once('close', () => this.#written())
  }

  /** Whether too much waited: the client is about to be cut, and nothing more is sent to it. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** Whether hardly anything waits. */
  get ready(): boolean {
    return !this.#overflowed && this.#ws.bufferedAmount <= READY_BYTES
  }

  /** Frames that come together go out in one write. */
  write(frames: readonly string[]): void {
    this.#pipe.cork()
    for (const frame of frames) {
      if (this.#overflowed || this.#ws.readyState !== this.#ws.OPEN) break
      this.#ws.send(frame, () => this.#written())
      this.#check()
    }
    this.#pipe.uncork()
  }

  /** Answers a ping of the client's own; one that sends them faster than it reads is answered some. */
  pong(data: Buffer): void {
    if (this.#ws.readyState === this.#ws.OPEN && this.ready) this.#ws.pong(data)
  }

  /** Resolves when at most a quarter of the bound waits, or when the client is gone; one that takes for ever is cut. */
  async drained(): Promise<void> {
    // What was answered in this turn has been written then.
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (!this.#isFull) return
    const impatient = setTimeout(() => this.#overflow(), DRAINED_WITHIN_MS).unref()
    while (this.#isFull) await new Promise<void>((resolve) => this.#whenWritten.push(resolve))
    clearTimeout(impatient)
  }

  get #isFull(): boolean {
    return this.#ws.readyState === this.#ws.OPEN && this.#ws.bufferedAmount > this.#maxBytes / 4
  }

  #written(): void {
    for (const written of this.#whenWritten.splice(0)) written()
  }

  #check(): void {
    if (this.#ws.bufferedAmount <= this.#maxBytes) return
    this.#overflowed = true
    // Not within somebody else's delivery.
    setImmediate(this.#overflow)
  }
}
