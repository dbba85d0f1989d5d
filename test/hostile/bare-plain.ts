import { type Socket, connect as tcp } from 'node:net'
import { cleanup } from '../support/cleanup.ts'
import { until } from '../support/until.ts'

const OPCODES = { continuation: 0x0, text: 0x1, binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const
export type Opcode = keyof typeof OPCODES

/** A masked WebSocket frame, as a client sends it; not the last of its message when `fin` is false. */
export function frame(opcode: Opcode, payload: string | Buffer = '', fin = true): Buffer {
  const body = Buffer.from(payload)
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10)
  head[0] = (fin ? 0x80 : 0) | OPCODES[opcode]
  head[1] = 0x80 | (body.length < 126 ? body.length : body.length < 65_536 ? 126 : 127)
  if (head.length === 4) head.writeUInt16BE(body.length, 2)
  if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2)
  // A mask of zeros leaves the text as it is.
  return Buffer.concat([head, Buffer.alloc(4), body])
}

/** A WebSocket of bare bytes to a path: it sends what it is told to, answers nothing by itself, and reads when it likes. */
export class BarePlain {
  readonly socket: Socket
  readonly closed: Promise<void>
  #text = ''

  constructor(port: number, path: string) {
    this.socket = tcp(port, '127.0.0.1')
    cleanup(() => this.socket.destroy())
    this.socket.on('error', () => {})
    this.socket.on('data', (data) => {
      this.#text += data.toString('latin1')
    })
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
  }

  /** One that has been greeted, or at least answered. */
  static async open(port: number, path: string): Promise<BarePlain> {
    const client = new BarePlain(port, path)
    await client.sees('101 Switching Protocols')
    return client
  }

  /** All that has come. */
  get text(): string {
    return this.#text
  }

  send(...frames: readonly Buffer[]): void {
    if (this.socket.writable) this.socket.write(Buffer.concat(frames))
  }

  say(what: unknown): void {
    this.send(frame('text', JSON.stringify(what)))
  }

  sees(text: string): Promise<void> {
    return until(`${JSON.stringify(text)} comes`, () => this.#text.includes(text))
  }

  /** The code of the close frame that came last, in these 200 bytes. */
  get closeCode(): number | undefined {
    const at = this.#text.lastIndexOf('\x88')
    if (at < 0 || at + 4 > this.#text.length) return undefined
    return (this.#text.charCodeAt(at + 2) << 8) | this.#text.charCodeAt(at + 3)
  }
}
