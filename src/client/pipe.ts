import { io, type Socket } from 'socket.io-client'
import type { ConveneError } from '../protocol/errors.ts'
import type { Connected } from '../protocol/session.ts'
import { errorOf, type Reply } from './replies.ts'

export type Transport = 'websocket' | 'polling'

/** Why a pipe ended, as far as the server said, and when it wants the client back. */
export interface Ending {
  readonly error?: ConveneError
  readonly reconnectInMs?: number
}

export interface PipeOptions {
  readonly url: string
  readonly token: string
  readonly transports: readonly Transport[]
  greeted(greeting: Connected): void
  /** An event of the server, in the order they come; replies come in the same order. */
  event(name: string, body: unknown): void
  /** Called once, for whatever reason, unless the pipe was closed from this side. */
  ended(ending: Ending): void
}

const GREETED_WITHIN_MS = 20_000
const REPLY_WITHIN_MS = 20_000

/** One connection from its beginning to its end. The next one is a new pipe: nothing of an old one can leak into it. */
export class Pipe {
  readonly #socket: Socket
  readonly #options: PipeOptions
  readonly #patience: ReturnType<typeof setTimeout>
  #ending: Ending = {}
  #ended = false

  constructor(options: PipeOptions) {
    this.#options = options
    this.#patience = setTimeout(() => this.#end({}), GREETED_WITHIN_MS)
    this.#socket = io(options.url, {
      forceNew: true,
      reconnection: false,
      transports: [...options.transports],
      auth: { token: options.token },
    })
    this.#socket.on('connect_error', ({ message, data }: Error & { data?: object }) =>
      this.#end(data ? { error: errorOf({ ...data, message }) } : {}),
    )
    this.#socket.on('disconnect', () => this.#end(this.#ending))
    this.#socket.onAny((name: string, body: unknown) => this.#hear(name, body))
  }

  /**
   * Asks, and calls back when the answer has come: at once, before the next event is told. A pipe that ends takes its
   * unanswered requests with it.
   */
  ask(event: string, body: object, answered: (reply: Reply) => void): void {
    this.#socket.timeout(REPLY_WITHIN_MS).emit(event, body, (late: Error | null, reply: Reply) => {
      if (late) this.#end(this.#ending)
      else if (!this.#ended) answered(reply)
    })
  }

  /** Ends it from this side, without a word to `ended`. */
  close(): void {
    this.#ended = true
    clearTimeout(this.#patience)
    this.#socket.off()
    this.#socket.offAny()
    this.#socket.disconnect()
  }

  #hear(name: string, body: unknown): void {
    if (name === 'connected') {
      clearTimeout(this.#patience)
      this.#options.greeted(body as Connected)
    } else if (name === 'server:shutdown') {
      this.#ending = { reconnectInMs: (body as { reconnectInMs: number }).reconnectInMs }
    } else if (name === 'error' && (body as { event?: string }).event === undefined) {
      // About the session itself, which is closed next.
      this.#ending = { error: errorOf(body) }
    } else {
      this.#options.event(name, body)
    }
  }

  #end(ending: Ending): void {
    if (this.#ended) return
    this.close()
    this.#options.ended(ending)
  }
}
