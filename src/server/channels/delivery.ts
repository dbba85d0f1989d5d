import type { Envelope } from '../../protocol/envelope.ts'

/** A fact on its way out. Each wire form of it is made once, however many sessions take it. */
export class Delivery {
  readonly fact: Envelope
  /** The session that published it, which has its reply instead; undefined when it is none of this instance's. */
  readonly origin: string | undefined
  readonly #forms = new Map<unknown, unknown>()

  constructor(fact: Envelope, origin: string | undefined) {
    this.fact = fact
    this.origin = origin
  }

  /** The fact in the form that `encode` makes: the same function is asked once. */
  as<Form>(encode: (fact: Envelope) => Form): Form {
    let form = this.#forms.get(encode) as Form | undefined
    if (form === undefined) {
      form = encode(this.fact)
      this.#forms.set(encode, form)
    }
    return form
  }
}

/** Somebody to deliver to: a session, as far as channels need to know it. */
export interface Subscriber {
  readonly id: string
  readonly closed: boolean
  /** Takes facts of one channel, in order. */
  deliver(deliveries: readonly Delivery[]): void
  /** Tells one thing that is not a fact. */
  send(event: string, body: unknown): void
}
