import { jsonBytes } from '../../protocol/limits.ts'
import type { PresenceEntry } from '../../protocol/presence.ts'
import type { SharedPresence } from '../cluster/message.ts'
import { Here, isNewer, type Present, type SessionHere } from './here.ts'

/** What an entry takes as JSON in a list, its comma included. */
interface EntryBytes {
  /** Without the state, which is then `{}`. */
  readonly bare: number
  /** What the state adds to that. */
  readonly state: number
}

/** What another instance said of a person. */
export interface Elsewhere {
  readonly version: number
  readonly shared: SharedPresence
  /** On this instance's own clock, as is `missingSince`. */
  readonly heardAt: number
  /** Since when it was not found where it should be shown. */
  missingSince?: number
  /** Runs while somebody is waited for who was lost there, and whose instance has ended since. */
  wait?: NodeJS.Timeout
}

/** A session, and when it joined for the first time. */
export interface Arrived {
  readonly since: number
  readonly session: SessionHere
}

/** One person in one channel, folded over their sessions on all instances [PRE1]. */
export class Person {
  readonly id: string
  readonly #node: string
  #here: Here | undefined
  readonly #elsewhere = new Map<string, Elsewhere>()
  /** Kept, because everybody who joins asks everybody's. */
  #folded: SharedPresence | undefined
  #entry: PresenceEntry | undefined
  #bytes: EntryBytes | undefined
  #sessions: readonly Arrived[] | undefined

  /** Nobody yet. */
  constructor(id: string, node: string) {
    this.id = id
    this.#node = node
  }

  get here(): Here | undefined {
    return this.#here
  }

  get elsewhere(): ReadonlyMap<string, Elsewhere> {
    return this.#elsewhere
  }

  /** As everybody sees them; undefined when they are nowhere. */
  get entry(): PresenceEntry | undefined {
    const folded = this.#fold()
    if (folded && !this.#entry) {
      const { user, connections, state, joinedAt } = folded
      this.#entry = { user, connections, state, joinedAt }
    }
    return this.#entry
  }

  /** Each session by itself, with when it came: kept, because a list is made of everybody's. */
  get sessions(): readonly Arrived[] {
    const folded = this.#fold()
    if (folded && !this.#sessions) {
      const { user, state } = folded
      const shown = (id: string, joinedAt: number) => ({ sessionId: id, user, state, joinedAt })
      this.#sessions = folded.sessions.map(({ id, since, joinedAt }) => ({ since, session: shown(id, joinedAt) }))
    }
    return this.#sessions ?? []
  }

  session(id: string): SessionHere | undefined {
    return this.sessions.find(({ session }) => session.sessionId === id)?.session
  }

  get bytes(): EntryBytes {
    if (!this.#bytes) {
      const { entry } = this
      const bare = jsonBytes({ ...entry, state: {} }) + ','.length
      this.#bytes = { bare, state: jsonBytes(entry?.state) - '{}'.length }
    }
    return this.#bytes
  }

  /** The first session here. Who is elsewhere already goes on as they are. */
  begin(session: Present, state: Record<string, unknown> | undefined, paceMs: number): void {
    const now = Date.now()
    // A state that nobody gave is older than any.
    const fresh = { state: state ?? {}, stateAt: state ? now : 0, joinedAt: now }
    const lost = this.#lostElsewhere()
    this.#here = new Here(session, this.#fold() ?? fresh, lost, paceMs)
    this.#found(lost)
    this.#changed()
  }

  /** Another session here; false when it was here already, and nobody need know that it joined again. */
  enter(session: Present): boolean {
    const isNew = this.#here?.has(session) === false
    const lost = this.#lostElsewhere()
    const entered = this.#here?.enter(session, lost) === true
    if (isNew) this.#found(lost)
    if (entered) this.#changed()
    return entered
  }

  /** False when it was not here. */
  exit(session: Present): boolean {
    const exited = this.#here?.exit(session) === true
    if (exited) this.#changed()
    return exited
  }

  show(state: Record<string, unknown>): void {
    if (this.#here) this.#here.state = state
    this.#changed()
  }

  /** Nobody is here any more, nor waited for. */
  end(): void {
    this.#here?.stop()
    this.#here = undefined
    this.#changed()
  }

  /**
   * What another instance says, unless something newer of it is known. A session that came there may be the one that was
   * lost, here or where nobody is left to wait for it. Whether that changed what is shown from here.
   */
  hear(node: string, version: number, shared: SharedPresence): boolean {
    const known = this.#elsewhere.get(node)
    if (known && known.version >= version) {
      delete known.missingSince
      return false
    }
    clearTimeout(known?.wait)
    this.#elsewhere.set(node, { version, shared, heardAt: performance.now() })
    this.#changed()
    const adopted = this.#here?.adopt(shared) === true
    this.#found(shared.found ?? [])
    const gone = this.#here?.isGone === true
    if (gone) this.end()
    return adopted || gone
  }

  drop(node: string): void {
    clearTimeout(this.#elsewhere.get(node)?.wait)
    this.#elsewhere.delete(node)
    this.#changed()
  }

  stop(): void {
    this.#here?.stop()
    for (const { wait } of this.#elsewhere.values()) clearTimeout(wait)
  }

  /** The sessions that other instances wait for, or would if they had not ended. */
  #lostElsewhere(): string[] {
    return Array.from(this.#elsewhere.values(), ({ shared }) => shared.lost).filter((lost) => lost !== undefined)
  }

  /** Lost sessions may have come back: waits no more for one that was here, nor for those whose instances have ended. */
  #found(lost: readonly string[]): void {
    this.#here?.found(lost)
    for (const [node, { wait, shared }] of [...this.#elsewhere])
      if (wait && shared.lost !== undefined && lost.includes(shared.lost)) this.drop(node)
  }

  #changed(): void {
    this.#folded = undefined
    this.#entry = undefined
    this.#bytes = undefined
    this.#sessions = undefined
  }

  #fold(): SharedPresence | undefined {
    if (this.#folded) return this.#folded
    // In the same order on every instance.
    const shown = Array.from(this.#elsewhere, ([node, { shared }]) => ({ node, shared }))
    if (this.#here) shown.push({ node: this.#node, shared: this.#here.shared })
    shown.sort((a, b) => (a.node < b.node ? -1 : 1))
    const [first, ...others] = shown.map(({ shared }) => shared)
    this.#folded = first && others.reduce(folded, first)
    return this.#folded
  }
}

function folded(one: SharedPresence, other: SharedPresence): SharedPresence {
  const { state, stateAt } = isNewer(other, one) ? other : one
  return {
    // Of a name and an older one the one that is connected.
    user: one.connections > 0 ? one.user : other.user,
    connections: one.connections + other.connections,
    state,
    joinedAt: Math.min(one.joinedAt, other.joinedAt),
    stateAt,
    sessions: [...one.sessions, ...other.sessions],
  }
}
