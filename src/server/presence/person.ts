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
      const { stateAt: _stateAt, sessions: _sessions, ...entry } = folded
      this.#entry = entry
    }
    return this.#entry
  }

  /** Each session by itself, and since when it is here. */
  get sessions(): readonly (SessionHere & { readonly since: number })[] {
    const folded = this.#fold()
    if (!folded) return []
    const { user, state } = folded
    return folded.sessions.map(({ id, since, joinedAt }) => ({ sessionId: id, user, state, joinedAt, since }))
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
    this.#here = new Here(session, this.#fold() ?? fresh, paceMs)
    this.#changed()
  }

  /** Another session here; false when it was here already. */
  enter(session: Present): boolean {
    const entered = this.#here?.enter(session) === true
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

  /** What another instance says, unless something newer of it is known. Whether that changed what is shown from here. */
  hear(node: string, version: number, shared: SharedPresence): boolean {
    const known = this.#elsewhere.get(node)
    if (known && known.version >= version) {
      delete known.missingSince
      return false
    }
    clearTimeout(known?.wait)
    this.#elsewhere.set(node, { version, shared, heardAt: performance.now() })
    this.#changed()
    return this.#here?.adopt(shared) ?? false
  }

  drop(node: string): void {
    clearTimeout(this.#elsewhere.get(node)?.wait)
    this.#elsewhere.delete(node)
    this.#changed()
  }

  /**
   * A session came on another instance: it may be the one that was lost, here or where nobody is left to wait for it.
   * Whether nobody is here any more for that.
   */
  returned(): boolean {
    for (const [node, { wait }] of [...this.#elsewhere]) if (wait) this.drop(node)
    this.#here?.stopWaiting()
    const gone = this.#here?.isGone === true
    if (gone) this.end()
    return gone
  }

  stop(): void {
    this.#here?.stop()
    for (const { wait } of this.#elsewhere.values()) clearTimeout(wait)
  }

  #changed(): void {
    this.#folded = undefined
    this.#entry = undefined
    this.#bytes = undefined
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
