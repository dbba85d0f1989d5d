import type { RawData, WebSocket } from 'ws'
import { ConveneError, catalogued } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import type { PlainDialect, Step } from '../dialects/dialect.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Reply } from '../session/dispatch.ts'
import type { Session } from '../session/session.ts'
import { isDeeper } from './json-depth.ts'
import type { PlainConnection } from './plain-connection.ts'

export interface PlainClientOptions {
  readonly maxMessageBytes: number
  readonly metrics: Metrics
  serve(session: Session, event: unknown, body: unknown, reply: Reply | undefined): Promise<void>
}

/** One client on a plain WebSocket from its greeting on: what it says is served, in the order it came. */
export class PlainClient {
  readonly connection: PlainConnection
  readonly connectedAt = Date.now()
  /** Frames that came. */
  heard = 0
  session: Session
  readonly #ws: WebSocket
  readonly #dialect: PlainDialect
  readonly #options: PlainClientOptions
  readonly #become: ((userId: string) => Promise<Session | undefined>) | undefined
  /** What came while it became somebody else; undefined when it does not. */
  #held: unknown[] | undefined

  /** `become` makes it another person, where claims are believed [D3]; it resolves to nothing when the client is gone. */
  constructor(
    ws: WebSocket,
    connection: PlainConnection,
    dialect: PlainDialect,
    session: Session,
    options: PlainClientOptions,
    become: ((userId: string) => Promise<Session | undefined>) | undefined,
  ) {
    this.connection = connection
    this.session = session
    this.#ws = ws
    this.#dialect = dialect
    this.#options = options
    this.#become = become
  }

  /** Begins to listen. */
  begin(): void {
    this.#ws.on('message', (data) => this.#hear(data))
    this.#ws.on('ping', (data) => {
      if (this.#isAllowed()) this.connection.pong(data)
    })
    this.#take(this.#dialect.begin?.() ?? [])
    this.#ws.resume()
  }

  #hear(data: RawData): void {
    this.heard++
    // What came in one read may outlive its connection by thousands of frames.
    if (!this.connection.open) return
    const text = String(data)
    const error = this.#unreadable(text)
    if (error) this.#refuse(error)
    else this.#listen(parsed(text))
  }

  #listen(frame: unknown): void {
    if (this.#held) {
      this.#held.push(frame)
      return
    }
    if (frame === UNPARSABLE) {
      this.#refuse(new ConveneError('invalid', 'Expected JSON'))
      return
    }
    const steps = this.#dialect.hear(frame)
    // What asks for nothing costs something all the same.
    if (steps.some((step) => 'ask' in step) || this.#isAllowed()) this.#take(steps)
  }

  #refuse(error: ConveneError): void {
    this.#options.metrics.refused.inc({ code: error.code })
    if (this.#isAllowed()) this.connection.write(this.#dialect.garbled(error.toBody()))
  }

  /** Whether one more thing may be answered that is no request; whoever never stops is sent away. */
  #isAllowed(): boolean {
    const { signalRate, floodRate } = this.session
    if (signalRate.allows()) return true
    if (!floodRate.allows()) {
      this.connection.close(new ConveneError('rate_limited', 'Rate limit exceeded', { retryAfterMs: 1000 }))
    }
    return false
  }

  #unreadable(text: string): ConveneError | undefined {
    const { maxMessageBytes } = this.#options
    if (text.length * 3 > maxMessageBytes) {
      const bytes = Buffer.byteLength(text)
      if (bytes > maxMessageBytes) {
        return new ConveneError('too_large', `The message has ${bytes} bytes; at most ${maxMessageBytes} are accepted`)
      }
    }
    // The body stands inside the frame's own object.
    if (isDeeper(text, MAX_DEPTH + 1)) {
      return new ConveneError('invalid', `The message is nested deeper than ${MAX_DEPTH} levels`)
    }
    return undefined
  }

  #take(steps: readonly Step<string>[]): void {
    for (const [index, step] of steps.entries()) {
      if ('say' in step) {
        this.connection.write(step.say)
      } else if ('ask' in step) {
        const { answered } = step
        const reply = answered && ((answer: Parameters<typeof answered>[0]) => this.connection.write(answered(answer)))
        void this.#options.serve(this.session, step.ask, step.body, reply)
      } else if (this.#become && step.claim !== this.session.userId) {
        void this.#becomeThen(this.#become(step.claim), steps.slice(index + 1))
        return
      }
    }
  }

  /** Goes on when it is somebody else; what comes meanwhile waits. */
  async #becomeThen(became: Promise<Session | undefined>, rest: readonly Step<string>[]): Promise<void> {
    this.#held = []
    this.#ws.pause()
    try {
      const session = await became
      if (!session) return
      this.session = session
    } catch (error) {
      this.connection.close(catalogued(error))
      return
    }
    const held = this.#held
    this.#held = undefined
    this.#take(rest)
    for (const frame of held) this.#listen(frame)
    this.#ws.resume()
  }
}

const UNPARSABLE = Symbol('unparsable')

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return UNPARSABLE
  }
}
