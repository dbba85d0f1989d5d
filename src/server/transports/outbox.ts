import type { Socket as EngineSocket } from 'engine.io'
import type { Outgoing } from '../session/connection.ts'

/** An event as Socket.IO text, and as the WebSocket frame of it. */
interface Encoded {
  readonly text: string
  readonly frame: Buffer
}

/** What Engine.IO takes beside the text: a frame made once goes out as it is, where the transport is a WebSocket. */
type WriteOptions = Parameters<EngineSocket['write']>[1] & { wsPreEncodedFrame?: Buffer[] }

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

  deliver(events: readonly Outgoing[]): void {
    if (this.#overflowed) return
    for (const event of events) {
      const { text, frame } = event.as(encode)
      const options: WriteOptions = { compress: false, wsPreEncodedFrame: [frame] }
      this.#engine.write(text, options)
    }
  }

  #count(bytes: number): void {
    this.#waiting += bytes
    const pending = this.#waiting + (this.#engine.transport.writable ? 0 : this.#inFlight)
    if (pending <= this.#maxBytes || this.#overflowed) return
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
