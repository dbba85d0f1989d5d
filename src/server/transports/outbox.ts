import type { Socket as EngineSocket } from 'engine.io'
import type { Outgoing } from '../session/connection.ts'

/** An event as Socket.IO text, and as the WebSocket frame of it. */
interface Encoded {
  readonly text: string
  readonly frame: Buffer
}

/** What Engine.IO takes beside the text: a frame made once goes out as it is, where the transport is a WebSocket. */
type WriteOptions = Parameters<EngineSocket['write']>[1] & { wsPreEncodedFrame?: Buffer[] }

// About what a slow phone takes in a tenth of a second; facts that wait here make signals stale.
const READY_BYTES = 16_384

// Whoever reads less than this in a while reads nothing, as far as others are concerned: what it asked for waits.
const DRAINED_WITHIN_MS = 30_000

/** What goes out to one Socket.IO client, bounded: a client that does not read is cut when too much waits for it. */
export class Outbox {
  readonly #engine: EngineSocket
  readonly #maxBytes: number
  readonly #overflow: () => void
  /** Bytes that wait here, and bytes that the transport has taken but not yet written. */
  #waiting = 0
  #inFlight = 0
  #overflowed = false

  constructor(engine: EngineSocket, maxBytes: number, overflow: () => void) {
    this.#engine = engine
    this.#maxBytes = maxBytes
    this.#overflow = overflow
    engine.on('packetCreate', (packet: { data?: string }) => this.#count(packet.data?.length ?? 0))
    engine.on('flush', () => {
      this.#inFlight = this.#waiting
      this.#waiting = 0
    })
  }

  /** Whether too much waited: the client is about to be cut, and nothing more is sent to it. */
  get overflowed(): boolean {
    return this.#overflowed
  }

  /** Whether hardly anything waits. */
  get ready(): boolean {
    return !this.#overflowed && this.#pending <= READY_BYTES
  }

  get #pending(): number {
    return this.#waiting + (this.#engine.transport.writable ? 0 : this.#inFlight)
  }

  measure(event: Outgoing): number {
    return event.as(encode).frame.length
  }

  deliver(events: readonly Outgoing[]): void {
    if (this.#overflowed) return
    for (const event of events) {
      const { text, frame } = event.as(encode)
      const options: WriteOptions = { compress: false, wsPreEncodedFrame: [frame] }
      this.#engine.write(text, options)
    }
  }

  /** Resolves when at most a quarter of the bound waits, or when the client is gone; one that takes for ever is cut. */
  async drained(): Promise<void> {
    // What was answered in this turn has been written then.
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (this.#pending <= this.#maxBytes / 4) return
    const impatient = setTimeout(() => this.#overflow(), DRAINED_WITHIN_MS).unref()
    while (this.#pending > this.#maxBytes / 4 && this.#engine.readyState === 'open') await this.#progress()
    clearTimeout(impatient)
  }

  /** Resolves when the transport has written something, or is not the same any more. */
  #progress(): Promise<void> {
    const { transport } = this.#engine
    return new Promise((resolve) => {
      const done = () => {
        transport.off('drain', done)
        this.#engine.off('upgrade', done)
        this.#engine.off('close', done)
        resolve()
      }
      transport.once('drain', done)
      this.#engine.once('upgrade', done)
      this.#engine.once('close', done)
    })
  }

  #count(bytes: number): void {
    this.#waiting += bytes
    if (this.#pending <= this.#maxBytes || this.#overflowed) return
    this.#overflowed = true
    // Not within somebody else's delivery: on polling the session ends in the call.
    setImmediate(this.#overflow)
  }
}

function encode(event: string, body: unknown): Encoded {
  const text = `2${JSON.stringify([event, body])}`
  return { text, frame: textFrame(`4${text}`) }
}

/** An unmasked WebSocket text frame (RFC 6455, 5.2). */
function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = 0x81
  if (header === 2) {
    frame[1] = length
  } else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.write(text, header)
  return frame
}
