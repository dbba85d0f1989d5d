import type { Author } from '../../protocol/envelope.ts'
import { Pace } from '../channels/pace.ts'
import type { SharedPresence, SharedSession } from '../cluster/message.ts'

/** A session, as far as presence needs to know it. */
export interface Present {
  readonly id: string
  readonly author: Author
  /** Who counts by sessions is announced again when it joins again; by people unless said. */
  readonly counts?: 'people' | 'sessions'
}

/** One session in a channel, as those see it who count who is here by sessions. `joinedAt` in ms since 1970. */
export interface SessionHere {
  readonly sessionId: string
  readonly user: Author
  readonly state: Readonly<Record<string, unknown>>
  readonly joinedAt: number
}

/** One person's sessions in one channel on this instance, and what they show. */
export class Here {
  /** When the others are told of another state [PRE2]. */
  readonly updates: Pace
  readonly #sessions = new Map<string, SharedSession>()
  #user: Author
  #state: Record<string, unknown>
  #stateAt: number
  #joinedAt: number
  /** Who was lost elsewhere, as far as was known when a session last came. */
  #found: readonly string[]
  /** Runs while a session that was lost may still come back. */
  #grace: { readonly lost: string; readonly timer: NodeJS.Timeout } | undefined

  /** Goes on with what a person shows elsewhere already, if they do. */
  constructor(
    session: Present,
    { state, stateAt, joinedAt }: Pick<SharedPresence, 'state' | 'stateAt' | 'joinedAt'>,
    lostElsewhere: readonly string[],
    paceMs: number,
  ) {
    this.updates = new Pace(paceMs)
    this.#user = session.author
    this.#join(session)
    this.#state = state
    this.#stateAt = stateAt
    this.#joinedAt = joinedAt
    this.#found = lostElsewhere
  }

  get shared(): SharedPresence {
    return {
      user: this.#user,
      connections: this.#sessions.size,
      state: this.#state,
      joinedAt: this.#joinedAt,
      stateAt: this.#stateAt,
      sessions: [...this.#sessions.values()],
      ...(this.#grace && { lost: this.#grace.lost }),
      ...(this.#found.length > 0 && { found: this.#found }),
    }
  }

  get isGone(): boolean {
    return this.#sessions.size === 0 && !this.#grace
  }

  has({ id }: Present): boolean {
    return this.#sessions.has(id)
  }

  /**
   * A session that was not here yet may be the lost one come back, by now under a newer name.
   * False when it was here already, and nobody need know that it joined again.
   */
  enter(session: Present, lostElsewhere: readonly string[]): boolean {
    if (this.has(session)) {
      if (session.counts === 'sessions') this.#join(session)
      return session.counts === 'sessions'
    }
    this.#join(session)
    this.#user = session.author
    this.#found = lostElsewhere
    this.stopWaiting()
    return true
  }

  /** False when it was not here. */
  exit(session: Present): boolean {
    return this.#sessions.delete(session.id)
  }

  /** Newer than all that is known of, whatever the clocks of others say. */
  set state(state: Record<string, unknown>) {
    this.#state = state
    this.#stateAt = Math.max(Date.now(), this.#stateAt + 1)
  }

  /** Takes over what the same person shows on another instance where that is newer. False when nothing is. */
  adopt(other: SharedPresence): boolean {
    const newer = isNewer(other, this.shared)
    const earlier = other.joinedAt < this.#joinedAt
    if (newer) [this.#state, this.#stateAt] = [other.state, other.stateAt]
    if (earlier) this.#joinedAt = other.joinedAt
    return newer || earlier
  }

  /** Waits for a lost session, from the last loss on: `over` is called unless somebody entered meanwhile. */
  wait({ id: lost }: Present, graceMs: number, over: () => void): void {
    this.stopWaiting()
    const timer = setTimeout(() => {
      this.#grace = undefined
      over()
    }, graceMs).unref()
    this.#grace = { lost, timer }
  }

  /** Waits no more when the lost session is among those that have come back elsewhere, as far as anybody can know. */
  found(sessions: readonly string[]): void {
    if (this.#grace && sessions.includes(this.#grace.lost)) this.stopWaiting()
  }

  stopWaiting(): void {
    clearTimeout(this.#grace?.timer)
    this.#grace = undefined
  }

  /** It keeps its place among the others when it joins again, at another time. */
  #join({ id }: Present): void {
    const before = this.#sessions.get(id)
    const now = Date.now()
    const joinedAt = before ? Math.max(now, before.joinedAt + 1) : now
    // Finer than a millisecond, in which several may come.
    const since = before?.since ?? performance.timeOrigin + performance.now()
    this.#sessions.set(id, { id, since, joinedAt })
  }

  /** Nothing is waited for any more: no lost session, and nothing that was to be told. */
  stop(): void {
    this.stopWaiting()
    this.updates.stop()
  }
}

/** Which of two states counts: the same on every instance, also when both were set in the same millisecond. */
export function isNewer(one: SharedPresence, other: SharedPresence): boolean {
  if (one.stateAt !== other.stateAt) return one.stateAt > other.stateAt
  return one.state !== other.state && JSON.stringify(one.state) > JSON.stringify(other.state)
}
