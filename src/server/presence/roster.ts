import type { Channels } from '../channels/channels.ts'
import type { Subscriber } from '../channels/delivery.ts'
import { Pace } from '../channels/pace.ts'
import type { SessionHere } from './here.ts'
import type { Arrived, Person } from './person.ts'

/**
 * What they are told: of one session that came (or joined again), went, or shows something else, and of all that are
 * here, in the order they came, as long as the list is not too long to be told each time.
 */
export interface RosterChange {
  readonly channel: string
  readonly change: 'joined' | 'left' | 'shown' | 'listed'
  readonly session?: SessionHere
  readonly sessions?: readonly SessionHere[]
  readonly count: number
}

// Told whole each time up to here; a longer list goes to everybody only now and then, at most so many entries of it. In
// bytes, because one person may have a long name and picture, and fifty sessions.
const SHORT = { sessions: 50, bytes: 32_768 }
const MOST = { sessions: 1000, bytes: 262_144 }
// To everybody together, and how long an entry is taken to be at least.
const BYTES_PER_MS = 10_000
const ENTRY_BYTES = 100

/** Who is in a channel, session by session, for those who count so. */
export class Roster {
  readonly #channel: string
  readonly #channels: Pick<Channels, 'hasSome' | 'tellSome'>
  readonly #people: () => readonly Person[]
  #pace: Pace | undefined
  #paceMs = 0

  constructor(channel: string, channels: Pick<Channels, 'hasSome' | 'tellSome'>, people: () => readonly Person[]) {
    this.#channel = channel
    this.#channels = channels
    this.#people = people
  }

  /** How many sessions are here. */
  get count(): number {
    return this.#people().reduce((count, { entry }) => count + (entry?.connections ?? 0), 0)
  }

  /** What the list of all takes, about. */
  get #bytes(): number {
    return this.#people().reduce((sum, person) => sum + person.sessions.length * person.bytes.bare, 0)
  }

  /** Whether anybody wants to know. */
  get isWanted(): boolean {
    return this.#channels.hasSome(this.#channel, countsSessions)
  }

  /** Tells what is different of one person's sessions. */
  changed(before: readonly Arrived[], after: readonly Arrived[]): void {
    const was = new Map(before.map(({ session }) => [session.sessionId, session.joinedAt]))
    const is = new Set(after.map(({ session }) => session.sessionId))
    for (const { session } of before) if (!is.has(session.sessionId)) this.#tell('left', session)
    for (const { session } of after) if (was.get(session.sessionId) !== session.joinedAt) this.#tell('joined', session)
  }

  /** Tells that somebody shows something else. */
  shown(session: SessionHere | undefined): void {
    if (session) this.#tell('shown', session)
  }

  stop(): void {
    this.#pace?.stop()
  }

  #tell(change: RosterChange['change'], session: SessionHere): void {
    const { count } = this
    const told = { channel: this.#channel, change, session, count }
    const bytes = this.#bytes
    if (count <= SHORT.sessions && bytes <= SHORT.bytes) {
      this.#send({ ...told, sessions: this.#sessions() })
      return
    }
    // Who has just come needs the list; the others have one already.
    const own =
      change === 'joined' ? { sessionId: session.sessionId, body: { ...told, sessions: this.#sessions() } } : undefined
    this.#send(told, own)
    this.#listSoon(count, bytes)
  }

  /** What goes to everybody grows with the square of their number; that much it is stretched. */
  #listSoon(count: number, bytes: number): void {
    const listBytes = Math.min(MOST.bytes, Math.max(bytes, count * ENTRY_BYTES))
    const paceMs = Math.ceil((count * listBytes) / BYTES_PER_MS)
    if (!this.#pace || paceMs > 2 * this.#paceMs || paceMs < this.#paceMs / 2) {
      this.#pace?.stop()
      this.#pace = new Pace(paceMs)
      this.#paceMs = paceMs
    }
    this.#pace.do(() => {
      this.#send({ channel: this.#channel, change: 'listed', sessions: this.#sessions(), count: this.count })
    })
  }

  #send(body: RosterChange, own?: { sessionId: string; body: RosterChange }): void {
    const tell = (said: RosterChange, wanted: (subscriber: Subscriber) => boolean) =>
      this.#channels.tellSome(this.#channel, 'presence:sessions', said, (one) => countsSessions(one) && wanted(one))
    tell(body, ({ id }) => id !== own?.sessionId)
    if (own) tell(own.body, ({ id }) => id === own.sessionId)
  }

  /** The first of them, in the order they came. */
  #sessions(): SessionHere[] {
    const all = this.#people().flatMap((person) =>
      person.sessions.map(({ since, session }) => ({ since, session, bytes: person.bytes.bare })),
    )
    all.sort((a, b) => a.since - b.since || (a.session.sessionId < b.session.sessionId ? -1 : 1))
    let left = MOST.bytes
    return all.slice(0, MOST.sessions).flatMap(({ session, bytes }) => {
      left -= bytes
      return left < 0 ? [] : session
    })
  }
}

function countsSessions({ counts }: Subscriber): boolean {
  return counts === 'sessions'
}
