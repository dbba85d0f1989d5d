import { WebSocket } from 'ws'
import { cleanup } from './cleanup.ts'
import type { Reached } from './connect.ts'
import { tokenFor } from './token.ts'

/** A frame of an older family. */
export type Frame = Record<string, unknown> & { type?: string; payload?: Record<string, unknown> }

export interface PlainOptions {
  readonly headers?: Record<string, string>
  readonly protocols?: string[]
  /** The address to connect from; that of the next node in turn unless given. */
  readonly localAddress?: string | undefined
}

/** A stock `ws` client that remembers everything it was sent. */
export class Plain {
  readonly ws: WebSocket
  /** All frames, in the order they came. */
  readonly received: Frame[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  #listeners: (() => void)[] = []
  #ended = false

  constructor(ws: WebSocket) {
    this.ws = ws
    this.closed = new Promise((resolve) =>
      ws.once('close', (code, reason) => {
        this.#ended = true
        resolve({ code, reason: String(reason) })
        this.#notify()
      }),
    )
    ws.on('error', () => {})
    ws.on('message', (data) => {
      this.received.push(JSON.parse(String(data)) as Frame)
      this.#notify()
    })
  }

  say(frame: unknown): void {
    this.ws.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** Waits for a frame that matches, among those that came already and those to come. */
  async expect(type: string, matches: (frame: Frame) => boolean = () => true): Promise<Frame> {
    const found = await this.#until(() => this.received.find((frame) => frame.type === type && matches(frame)))
    if (found) return found
    const came = this.received.map((frame) => JSON.stringify(frame).slice(0, 200)).join('\n  ')
    throw new Error(
      `expected a frame ${type}; came${this.#ended ? ', and then it closed' : ''}:\n  ${came || 'nothing'}`,
    )
  }

  /** Waits until so many frames have come that match. */
  async expectCount(count: number, matches: (frame: Frame) => boolean): Promise<Frame[]> {
    await this.#until(() => this.received.filter(matches).length >= count || undefined)
    return this.received.filter(matches)
  }

  /** What has come since the last time. */
  taken(): Frame[] {
    return this.received.splice(0)
  }

  async #until<T>(find: () => T | undefined): Promise<T | undefined> {
    const deadline = Date.now() + 20_000
    for (;;) {
      const found = find()
      if (found !== undefined || this.#ended || Date.now() > deadline) return found
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(1, deadline - Date.now()))
        this.#listeners.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #notify(): void {
    for (const listener of this.#listeners.splice(0)) listener()
  }
}

/** A plain WebSocket to a path of a server, open already; terminated when the test ends. */
export async function openPlain(server: Reached, path: string, options: PlainOptions = {}): Promise<Plain> {
  const plain = plainTo(server, path, options)
  await new Promise<void>((resolve, reject) => {
    plain.ws.once('open', resolve)
    plain.ws.once('error', reject)
  })
  return plain
}

/** As `openPlain`, not waited for: for handshakes that fail. */
export function plainTo(server: Reached, path: string, options: PlainOptions = {}): Plain {
  const { headers, protocols = [], localAddress = server.nextAddress?.() } = options
  const ws = new WebSocket(server.url.replace('http', 'ws') + path, protocols, {
    ...(headers && { headers }),
    ...(localAddress !== undefined && { localAddress }),
  })
  cleanup(() => ws.terminate())
  return new Plain(ws)
}

/** `?token=` for somebody. */
export function as(userId: string, claims: Record<string, unknown> = {}): string {
  return `?token=${tokenFor(userId, claims)}`
}
