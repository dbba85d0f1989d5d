import { ConveneError } from '../../protocol/errors.ts'
import type { Verified } from '../auth/authenticator.ts'
import type { Connection } from './connection.ts'
import { Session, type SessionRates } from './session.ts'

export interface SessionsOptions {
  readonly rates: SessionRates
  readonly maxConnectionsPerUser: number
  /** Called once for each session that ends, while its channels are still known. */
  readonly ended: (session: Session) => void
}

/** Every session of this instance. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #sessions = new Map<string, Session>()
  readonly #perUser = new Map<string, number>()
  #whenEmpty: (() => void)[] = []

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#sessions.size
  }

  *[Symbol.iterator](): Iterator<Session> {
    yield* this.#sessions.values()
  }

  /** @throws ConveneError `too_many` */
  open(connection: Connection, verified: Verified): Session {
    const userId = verified.identity.id
    const count = this.#perUser.get(userId) ?? 0
    if (count >= this.#options.maxConnectionsPerUser) {
      throw new ConveneError('too_many', 'Too many connections', { retryAfterMs: 5000 })
    }
    this.#perUser.set(userId, count + 1)
    const session = new Session(connection, verified, this.#options.rates)
    this.#sessions.set(session.id, session)
    return session
  }

  /** Ends a session whose connection is gone. Ending twice is ending once. */
  close(session: Session): void {
    if (this.#sessions.get(session.id) !== session) return
    this.#sessions.delete(session.id)
    const left = (this.#perUser.get(session.author.id) ?? 1) - 1
    if (left > 0) this.#perUser.set(session.author.id, left)
    else this.#perUser.delete(session.author.id)
    this.#options.ended(session)
    session.end()
    if (this.#sessions.size === 0) for (const empty of this.#whenEmpty.splice(0)) empty()
  }

  /** Resolves when no session is left. */
  async empty(): Promise<void> {
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }
}
