import type { Author } from '../../protocol/envelope.ts'
import { jsonBytes } from '../../protocol/limits.ts'
import type { PresenceEntry } from '../../protocol/presence.ts'
import { Pace } from './pace.ts'

/** A session, as far as presence needs to know it. */
export interface Present {
  readonly id: string
  readonly author: Author
}

/** What an entry takes as JSON in a list, its comma included. */
interface EntryBytes {
  /** Without the state, which is then `{}`. */
  readonly bare: number
  /** What the state adds to that. */
  readonly state: number
}

/** One person in one channel, folded over their sessions [PRE1]. */
export class Person {
  /** When the others are told of another state [PRE2]. */
  readonly updates: Pace
  readonly #sessions = new Set<string>()
  readonly #joinedAt = Date.now()
  #user: Author
  #state: Record<string, unknown>
  /** Kept, because everybody who joins asks everybody's. */
  #bytes: EntryBytes | undefined
  /** Runs while a session that was lost may still come back. */
  #grace: NodeJS.Timeout | undefined

  constructor(session: Present, state: Record<string, unknown>, updateEveryMs: number) {
    this.#user = session.author
    this.#sessions.add(session.id)
    this.#state = state
    this.updates = new Pace(updateEveryMs)
  }

  get id(): string {
    return this.#user.id
  }

  get state(): Record<string, unknown> {
    return this.#state
  }

  set state(state: Record<string, unknown>) {
    this.#state = state
    this.#bytes = undefined
  }

  get connections(): number {
    return this.#sessions.size
  }

  get entry(): PresenceEntry {
    return { user: this.#user, connections: this.connections, state: this.#state, joinedAt: this.#joinedAt }
  }

  get bytes(): EntryBytes {
    if (!this.#bytes) {
      const bare = jsonBytes({ ...this.entry, state: {} }) + ','.length
      this.#bytes = { bare, state: jsonBytes(this.#state) - '{}'.length }
    }
    return this.#bytes
  }

  get isGone(): boolean {
    return this.#sessions.size === 0 && this.#grace === undefined
  }

  /** A session that was not here yet may be the lost one come back, by now under a newer name. */
  enter(session: Present): void {
    if (this.#sessions.has(session.id)) return
    this.#sessions.add(session.id)
    this.#user = session.author
    this.#bytes = undefined
    this.#stopWaiting()
  }

  /** False when it was not here. */
  exit(session: Present): boolean {
    this.#bytes = undefined
    return this.#sessions.delete(session.id)
  }

  /** Waits for a lost session, from the last loss on: `over` is called unless somebody entered meanwhile. */
  wait(graceMs: number, over: () => void): void {
    this.#stopWaiting()
    this.#grace = setTimeout(() => {
      this.#grace = undefined
      over()
    }, graceMs).unref()
  }

  /** Nothing is waited for any more: no lost session, and nothing that was to be told. */
  stop(): void {
    this.#stopWaiting()
    this.updates.stop()
  }

  #stopWaiting(): void {
    clearTimeout(this.#grace)
    this.#grace = undefined
  }
}
