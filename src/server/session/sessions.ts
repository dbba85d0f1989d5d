import { ConveneError } from '../../protocol/errors.ts'
import type { Verified } from '../auth/authenticator.ts'
import type { Connection } from './connection.ts'
import { Session, type SessionLimits } from './session.ts'

export interface SessionsOptions {
  readonly limits: SessionLimits
  readonly maxConnectionsPerUser: number
  /** Called once for each session that ends, while its channels are still known; `clean` when its client meant to go. */
  readonly ended: (session: Session, clean: boolean) => void
  /** Called when a person has another number of sessions. */
  readonly counted?: (userId: string) => void
}

/** Every session of this instance. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #sessions = new Map<string, Session>()
  readonly #byUser = new Map<string, Set<Session>>()
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

  /** How many one person has now. */
  count(userId: string): number {
    return this.#byUser.get(userId)?.size ?? 0
  }

  /** One person's sessions, as they are now. */
  of(userId: string): Session[] {
    return [...(this.#byUser.get(userId) ?? [])]
  }

  /**
   * `before`: the session of the same client under another name.
   * @throws ConveneError `too_many`
   */
  open(connection: Connection, verified: Verified, before?: Session): Session {
    const userId = verified.identity.id
    const theirs = this.#byUser.get(userId) ?? new Set()
    if (theirs.size >= this.#options.maxConnectionsPerUser) {
      throw new ConveneError('too_many', 'Too many connections', { retryAfterMs: 5000 })
    }
    const session = new Session(connection, verified, this.#options.limits, before)
    this.#byUser.set(userId, theirs.add(session))
    this.#sessions.set(session.id, session)
    this.#options.counted?.(userId)
    return session
  }

  /** Ends a session whose connection is gone. Ending twice is ending once. */
  close(session: Session, clean: boolean): void {
    if (this.#sessions.get(session.id) !== session) return
    this.#sessions.delete(session.id)
    const theirs = this.#byUser.get(session.userId)
    if (theirs?.delete(session) && theirs.size === 0) this.#byUser.delete(session.userId)
    this.#options.ended(session, clean)
    session.end()
    this.#options.counted?.(session.userId)
    if (this.#sessions.size === 0) for (const empty of this.#whenEmpty.splice(0)) empty()
  }

  /** Resolves when no session is left. */
  async empty(): Promise<void> {
    if (this.#sessions.size > 0) await new Promise<void>((resolve) => this.#whenEmpty.push(resolve))
  }
}
