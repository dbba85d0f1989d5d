import type { Author } from '../../protocol/envelope.ts'
import type { PresenceEntry } from '../../protocol/presence.ts'

/** A session, as far as presence needs to know it. */
export interface Present {
  readonly id: string
  readonly author: Author
}

/** One person in one channel, folded over their sessions [PRE1]. */
export class Person {
  state: Record<string, unknown>
  readonly #sessions = new Set<string>()
  readonly #joinedAt = Date.now()
  #user: Author
  /** Runs while a session that was lost may still come back. */
  #grace: NodeJS.Timeout | undefined

  constructor(session: Present, state: Record<string, unknown>) {
    this.#user = session.author
    this.#sessions.add(session.id)
    this.state = state
  }

  get id(): string {
    return this.#user.id
  }

  get entry(): PresenceEntry {
    return { user: this.#user, connections: this.#sessions.size, state: this.state, joinedAt: this.#joinedAt }
  }

  get isGone(): boolean {
    return this.#sessions.size === 0 && this.#grace === undefined
  }

  /** A session that was not here yet may be the lost one come back, by now under a newer name. */
  enter(session: Present): void {
    if (this.#sessions.has(session.id)) return
    this.#sessions.add(session.id)
    this.#user = session.author
    this.stopWaiting()
  }

  /** False when it was not here. */
  exit(session: Present): boolean {
    return this.#sessions.delete(session.id)
  }

  /** Waits for a lost session, from the last loss on: `over` is called unless somebody entered meanwhile. */
  wait(graceMs: number, over: () => void): void {
    this.stopWaiting()
    this.#grace = setTimeout(() => {
      this.#grace = undefined
      over()
    }, graceMs).unref()
  }

  stopWaiting(): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
  }
}
