import type { FactReply } from '../protocol/envelope.ts'
import type { ConveneError } from '../protocol/errors.ts'
import { Backoff } from './backoff.ts'
import { errorOf, isRetryable, type Reply } from './replies.ts'

interface Fact {
  readonly type: string
  readonly payload: object
  readonly operationId: string
  tries: number
  resolve(reply: FactReply): void
  reject(error: ConveneError): void
}

export interface OutgoingOptions {
  readonly channel: string
  ask(event: string, body: object, answered: (reply: Reply) => void): void
  /** A fact is stored. `retried`: it was sent more than once, so a duplicate is one of its own tries. */
  stored(reply: FactReply, retried: boolean): void
}

/**
 * The facts of one channel on their way to the server, in memory. One at a time: one that has to wait, for a rate limit
 * say, is never overtaken by the next. Each is tried with the same operationId until it is answered.
 */
export class Outgoing {
  readonly #options: OutgoingOptions
  readonly #waiting: Fact[] = []
  readonly #backoff = new Backoff()
  #flow: 'paused' | 'idle' | 'asked' | 'resting' = 'paused'
  #rest: ReturnType<typeof setTimeout> | undefined

  constructor(options: OutgoingOptions) {
    this.#options = options
  }

  push(type: string, payload: object, operationId: string): Promise<FactReply> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ type, payload, operationId, tries: 0, resolve, reject })
      this.#send()
    })
  }

  /** Whether an operation was sent and its answer is still wanted. */
  isUnanswered(operationId: string): boolean {
    return this.#waiting.some((fact) => fact.operationId === operationId && fact.tries > 0)
  }

  /** The channel is joined. */
  flow(): void {
    if (this.#flow !== 'paused') return
    this.#flow = 'idle'
    this.#send()
  }

  /** The channel is not joined: what was asked last is asked again later. */
  pause(): void {
    clearTimeout(this.#rest)
    this.#flow = 'paused'
  }

  /** Gives up all that wait. */
  fail(error: ConveneError): void {
    this.pause()
    for (const fact of this.#waiting.splice(0)) fact.reject(error)
  }

  #send(): void {
    const fact = this.#waiting[0]
    if (!fact || this.#flow !== 'idle') return
    this.#flow = 'asked'
    fact.tries++
    const { type, payload, operationId } = fact
    this.#options.ask(type, { channel: this.#options.channel, payload, operationId }, (reply) => {
      // Given up meanwhile, and perhaps others after it.
      if (fact !== this.#waiting[0] || this.#flow !== 'asked') return
      this.#answered(fact, reply)
    })
  }

  #answered(fact: Fact, reply: Reply): void {
    const error = reply.ok ? undefined : errorOf(reply.error)
    if (error && isRetryable(error)) {
      this.#flow = 'resting'
      this.#rest = setTimeout(() => this.#next(), error.retryAfterMs ?? this.#backoff.next())
      return
    }
    this.#backoff.reset()
    this.#waiting.shift()
    if (reply.ok) {
      const { ok, ...told } = reply
      const stored = told as FactReply
      this.#options.stored(stored, fact.tries > 1)
      fact.resolve(stored)
    } else if (error) {
      fact.reject(error)
    }
    this.#next()
  }

  #next(): void {
    this.#flow = 'idle'
    this.#send()
  }
}
