import type { Envelope } from '../../protocol/envelope.ts'

/** An event on its way out. Each wire form of it is made once, however many sessions take it. */
export class Outgoing {
  readonly event: string
  readonly body: unknown
  readonly #forms = new Map<unknown, unknown>()

  constructor(event: string, body: unknown) {
    this.event = event
    this.body = body
  }

  /** The event in the form that `encode` makes: the same function is asked once. */
  as<Form>(encode: (event: string, body: unknown) => Form): Form {
    let form = this.#forms.get(encode) as Form | undefined
    if (form === undefined) {
      form = encode(this.event, this.body)
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

  constructor(fact: Envelope, origin: string | undefined) {
    super(fact.type, fact)
    this.fact = fact
    this.origin = origin
  }
}

/** Somebody to deliver to: a session, as far as channels need to know it. */
export interface Subscriber {
  readonly id: string
  readonly closed: boolean
  /** Takes events of one channel, in order. */
  deliver(events: readonly Outgoing[]): void
}
