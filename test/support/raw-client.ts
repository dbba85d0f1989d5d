import { WebSocket } from 'ws'
import { cleanup } from './cleanup.ts'
import type { TestServer } from './start-server.ts'

/** A WebSocket that speaks Engine.IO by hand, for packets that no proper client sends. */
export class RawClient {
  readonly received: string[] = []
  readonly closed: Promise<number>
  readonly #socket: WebSocket
  #listener: (() => void) | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    socket.on('message', (data) => {
      const text = String(data)
      if (text === '2') socket.send('3')
      this.received.push(text)
      this.#listener?.()
    })
  }

  static async open(
    server: Pick<TestServer, 'port'> & Partial<TestServer>,
    headers: Record<string, string> = {},
  ): Promise<RawClient> {
    const url = `ws://127.0.0.1:${server.port}/socket.io/?EIO=4&transport=websocket`
    const socket = new WebSocket(url, { headers, localAddress: server.nextAddress?.(), perMessageDeflate: false })
    cleanup(() => socket.terminate())
    const client = new RawClient(socket)
    await client.expect(/^0\{/)
    return client
  }

  send(packet: string | Buffer): void {
    this.#socket.send(packet)
  }

  /** Stops reading; the server's writes pile up. */
  pause(): void {
    this.#socket.pause()
  }

  /** Sends a close frame, with a code or with none. */
  close(code?: number): void {
    this.#socket.close(code)
  }

  /** Goes without a word: no close frame. */
  terminate(): void {
    this.#socket.terminate()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Waits for a packet that matches. */
  async expect(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.received.find((text) => pattern.test(text))
      if (found !== undefined) return found
      const more = new Promise<'more'>((resolve) => {
        this.#listener = () => resolve('more')
      })
      if ((await Promise.race([more, this.closed])) !== 'more') {
        throw new Error(`closed before ${pattern}; came: ${this.received.join(' ').slice(0, 500)}`)
      }
    }
  }
}
