import type { Envelope, HiddenFact } from '../../protocol/envelope.ts'

/** An event on its way out. Each wire form of it is made once, however many sessions take it. */
export class Outgoing {
  readonly event: string
  readonly body: unknown
  /** Of a signal: whose it is. */
  readonly from: Sender | undefined
  readonly #forms = new Map<unknown, unknown>()

  constructor(event: string, body: unknown, from?: Sender) {
    this.event = event
    this.body = body
    this.from = from
  }

  /** The event in the form that `encode` makes: the same function is asked once. */
  as<Form>(encode: (event: string, body: unknown, from?: Sender) => Form): Form {
    let form = this.#forms.get(encode) as Form | undefined
    if (form === undefined) {
      form = encode(this.event, this.body, this.from)
      this.#forms.set(encode, form)
    }
    return form
  }
}

/** A fact on its way out: an event named by its type. */
export class Delivery extends Outgoing {
  readonly fact: Envelope
  /** The session that published it, which has its reply instead; undefined when it is none of this instance's. */
  readonly origin: string | undefined
  #hidden: Outgoing | undefined

  constructor(fact: Envelope, origin: string | undefined) {
    super(fact.type, fact)
    this.fact = fact
    this.origin = origin
  }

  /** [MSG1] What somebody is told from whom the fact is kept: its place. */
  get hidden(): Outgoing {
    this.#hidden ??= new Outgoing('hidden', hiddenFact(this.fact))
    return this.#hidden
  }
}

/** [MSG1] The place of a fact without its content. */
export function hiddenFact({ channel, epoch, seq }: Envelope): HiddenFact {
  return { type: 'hidden', channel, epoch, seq }
}

/** A signal on its way out, which may be lost. */
export class Signal extends Outgoing {
  declare readonly from: Sender
}

/** Whose signal it is. */
export interface Sender {
  readonly sessionId: string
  readonly userId: string
  /** What an older client calls them, where their token gives no name. */
  readonly name?: string | undefined
}

/** Somebody to deliver to: a session, as far as channels need to know it. */
export interface Subscriber {
  readonly id: string
  readonly userId: string
  readonly closed: boolean
  /** How its client counts who is here: each person once, or each of their sessions; people unless said. */
  readonly counts?: 'people' | 'sessions'
  /** Whether so little waits for it that what may be lost is worth sending [SIG2]. */
  readonly ready: boolean
  /** Whether a fact is kept from this person [MSG1]. */
  hides(fact: Envelope): boolean
  /** Whether the signals of somebody are. */
  hidesSignalsOf(userId: string): boolean
  /** Bytes that an event takes on its way to it. */
  measure(event: Outgoing): number
  /** Closes its connection, so that it comes back and starts over. */
  reset(): void
  /** Takes events of one channel, in order. */
  deliver(events: readonly Outgoing[]): void
}
