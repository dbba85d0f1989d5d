import type { Author } from '../../protocol/envelope.ts'
import type { ErrorBody } from '../../protocol/errors.ts'

/** Whose signal an event is. */
export interface Sender {
  /** Empty where an app's server speaks. */
  readonly sessionId: string
  readonly userId: string
  /** What their client calls them, where their token gives no name. */
  readonly name?: string | undefined
}

/** An event of this house on its way to a client; `as` makes each form of it once, however many clients take it. */
export interface Told {
  readonly event: string
  readonly body: unknown
  readonly from?: Sender | undefined
  as<Form>(write: (event: string, body: unknown, from?: Sender) => Form): Form
}

/** What a request came to. */
export type Answer =
  | ({ readonly ok: true } & Record<string, unknown>)
  | { readonly ok: false; readonly error: ErrorBody }

/**
 * What one frame leads to, in the order of the steps: a request in the words of the protocol, and what is said when it
 * was `answered`, or, where more than that follows, what comes `next` (with neither success is silent, and a failure
 * comes to `tell` as the event `error`); something said at once; a claim of who the client is, which counts only where
 * claims are believed [D3]; or the end of the connection.
 */
export type Step<Frame> =
  | {
      readonly ask: string
      readonly body: unknown
      readonly answered?: ((answer: Answer) => readonly Frame[]) | undefined
      readonly next?: ((answer: Answer) => readonly Step<Frame>[]) | undefined
    }
  | { readonly say: readonly Frame[] }
  | { readonly claim: string }
  | { readonly close: ErrorBody }

/**
 * The words of one client of an older family: turns its frames into requests, and events into its frames. Nothing here
 * throws, whatever comes.
 */
export interface Dialect<Heard, Frame> {
  hear(heard: Heard): readonly Step<Frame>[]
  /** The frames of an event; none where the family has no word for it. */
  tell(told: Told): readonly Frame[]
}

/** The client a dialect speaks for. */
export interface Self {
  readonly sessionId: string
  /** As others see it. Where claims are believed it may become another; whose id is the session's is nobody yet. */
  readonly user: Author
  /** What stood in the URL. */
  readonly query: URLSearchParams
}

/** The words of one client on a plain WebSocket: frames are JSON, told as text. */
export interface PlainDialect extends Dialect<unknown, string> {
  /** The first steps, when the client has been greeted. */
  begin?(): readonly Step<string>[]
  /** What is said to a frame that is no JSON, or may not be read. */
  garbled(error: ErrorBody): readonly string[]
}

/** How a WebSocket is closed. */
export interface Closing {
  readonly code: number
  /** At most 123 bytes. */
  readonly reason: string
}

/** One family's way in on plain WebSocket. */
export interface Door {
  readonly paths: readonly string[]
  /** How its clients count who is here: each person once, or each of their connections. */
  readonly counts: 'people' | 'sessions'
  /** Whether somebody who claims to be nobody may come in where claims are believed [D3]: they say who they are later. */
  readonly letsInNobody: boolean
  /** An id for a session, in the family's form. */
  sessionId(): string
  speak(self: Self): PlainDialect
  /** Answers a handshake that shows nobody with this HTTP status instead of accepting and closing it. */
  readonly refusesWith?: number
  /** How a connection ends for a reason; undefined: as the protocol says [ERR1]. */
  closing(error: ErrorBody): Closing | undefined
}

/** What a client of Socket.IO has sent. */
export interface HeardEvent {
  readonly event: unknown
  readonly body: unknown
  /** Where the client gave a way to be answered. */
  readonly reply?: ((answer: Answer) => void) | undefined
}

/** An event in the words of a family on Socket.IO. */
export class Words implements Told {
  readonly event: string
  readonly body: unknown
  readonly #forms = new Map<unknown, unknown>()

  constructor(event: string, body: unknown) {
    this.event = event
    this.body = body
  }

  as<Form>(write: (event: string, body: unknown) => Form): Form {
    if (!this.#forms.has(write)) this.#forms.set(write, write(this.event, this.body))
    return this.#forms.get(write) as Form
  }
}

/** The words of one client on Socket.IO. */
export type SocketIoDialect = Dialect<HeardEvent, Words>
