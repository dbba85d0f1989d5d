import type { RawData, WebSocket } from 'ws'
import { ConveneError, catalogued } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import type { Answer, PlainDialect, Step } from '../dialects/dialect.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Reply } from '../session/dispatch.ts'
import type { Session } from '../session/session.ts'
import { isDeeper } from './json-depth.ts'
import type { PlainConnection } from './plain-connection.ts'
import { UnderWay } from './under-way.ts'

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
  readonly #underWay: UnderWay
  /** What came while it became somebody else; undefined when it does not. */
  #held: unknown[] | undefined

  /**
   * `become` makes it another person, where claims are believed [D3]. It resolves to nothing when the client is gone, and
   * rejects with `invalid`, having done nothing, when what is claimed is no id.
   */
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
    this.#underWay = new UnderWay(() => this.#readOrNot())
  }

  /** Begins to listen. */
  begin(): void {
    this.#ws.on('message', (data) => this.#hear(data))
    this.#ws.on('ping', (data) => {
      if (this.connection.open && this.session.allowsMore()) this.connection.pong(data)
    })
    this.#ws.on('pong', () => void this.session.allowsMore())
    this.#take(this.connection.guarded(() => this.#dialect.begin?.() ?? []))
    this.#readOrNot()
  }

  #hear(data: RawData): void {
    this.heard++
    // What came in one read may outlive its connection by thousands of frames.
    if (!this.connection.open) return
    const text = String(data)
    const error = this.#unreadable(text)
    if (error) this.#refuse(error)
    else this.#listen(parsed(text), text.length)
  }

  #listen(frame: unknown, size: number): void {
    if (this.#held) {
      this.#held.push(frame)
      return
    }
    if (frame === UNPARSABLE) {
      this.#refuse(new ConveneError('invalid', 'Expected JSON'))
      return
    }
    const steps = this.connection.guarded(() => this.#dialect.hear(frame))
    // What asks for nothing costs something all the same.
    if (steps.some((step) => 'ask' in step) || this.session.allowsMore()) this.#take(steps, size)
  }

  #refuse(error: ConveneError): void {
    this.#options.metrics.refused.inc({ code: error.code })
    if (this.session.allowsMore())
      this.connection.write(this.connection.guarded(() => this.#dialect.garbled(error.toBody())))
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

  /** `size`: of what the steps come from, in characters. */
  #take(steps: readonly Step<string>[], size = 0): void {
    for (const [index, step] of steps.entries()) {
      if ('say' in step) {
        this.connection.write(step.say)
      } else if ('ask' in step) {
        const reply = (step.answered || step.next) && ((answer: Answer) => this.#answered(step, answer))
        this.#underWay.add(this.#options.serve(this.session, step.ask, step.body, reply), size)
      } else if ('close' in step) {
        this.connection.close(new ConveneError(step.close.code, step.close.message))
      } else if (this.#become && step.claim !== this.session.userId) {
        // Everybody in its channels is told of it.
        if (!this.session.allowsMore()) return
        void this.#becomeThen(this.#become, step.claim, steps.slice(index + 1))
        return
      }
    }
  }

  #answered({ answered, next }: Extract<Step<string>, { ask: string }>, answer: Answer): void {
    this.connection.write(this.connection.guarded(() => answered?.(answer) ?? []))
    this.#take(this.connection.guarded(() => next?.(answer) ?? []))
  }

  /** Goes on when it is somebody else; what comes meanwhile waits. */
  async #becomeThen(
    become: (userId: string) => Promise<Session | undefined>,
    claim: string,
    rest: readonly Step<string>[],
  ): Promise<void> {
    this.#held = []
    this.#readOrNot()
    let refusal: ConveneError | undefined
    try {
      // What it asked for as who it was is answered to it, and where it was joining it is taken along.
      await this.#underWay.none()
      const session = await become(claim)
      if (!session) return
      this.session = session
    } catch (error) {
      refusal = catalogued(error)
      if (refusal.code !== 'invalid') {
        this.connection.close(refusal)
        return
      }
    }
    const held = this.#held
    this.#held = undefined
    if (refusal) this.#refuse(refusal)
    else this.#take(rest)
    for (const frame of held) this.#listen(frame, 0)
    this.#readOrNot()
  }

  /** Reads only as fast as it can serve: what a client says faster waits with the client. */
  #readOrNot(): void {
    // Whoever is being sent away has a last word, which is waited for.
    if (this.connection.open && (this.#held || this.#underWay.isMuch)) this.#ws.pause()
    else this.#ws.resume()
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
