import type { Author } from '../../protocol/envelope.ts'
import type { PresenceEntry, PresenceList } from '../../protocol/presence.ts'
import type { Channels } from '../channels/channels.ts'

/** A session, as far as presence needs to know it. */
interface Present {
  readonly id: string
  readonly author: Author
}

interface Person {
  readonly user: Author
  readonly sessions: Set<string>
  readonly joinedAt: number
  state: Record<string, unknown>
}

/** Who is here: in each channel one entry a user, however many sessions [PRE1]. */
export class Presence {
  readonly #channels: Channels
  readonly #here = new Map<string, Map<string, Person>>()

  constructor(channels: Channels) {
    this.#channels = channels
  }

  /** Counts a session in and, with a user's first, tells the others [PRE2]. Entering again changes only the state. */
  enter(channel: string, session: Present, state?: Record<string, unknown>): void {
    const people = this.#here.get(channel) ?? new Map<string, Person>()
    this.#here.set(channel, people)
    const person = people.get(session.author.id)
    if (!person) {
      const first = { user: session.author, sessions: new Set([session.id]), joinedAt: Date.now(), state: state ?? {} }
      people.set(session.author.id, first)
      this.#channels.tell(channel, 'presence:join', { channel, member: entryOf(first) }, session.id)
      return
    }
    person.sessions.add(session.id)
    if (state) this.update(channel, session, state)
  }

  update(channel: string, session: Present, state: Record<string, unknown>): void {
    const person = this.#here.get(channel)?.get(session.author.id)
    if (!person) return
    person.state = state
    this.#channels.tell(channel, 'presence:update', { channel, userId: session.author.id, state }, session.id)
  }

  /** Counts a session out and, with a user's last, tells the others. */
  leave(channel: string, session: Present): void {
    const people = this.#here.get(channel)
    const person = people?.get(session.author.id)
    if (!people || !person?.sessions.delete(session.id) || person.sessions.size > 0) return
    people.delete(session.author.id)
    if (people.size === 0) this.#here.delete(channel)
    this.#channels.tell(channel, 'presence:leave', { channel, userId: session.author.id }, session.id)
  }

  list(channel: string): PresenceList {
    const members = Array.from(this.#here.get(channel)?.values() ?? [], entryOf)
    return { members, connections: members.reduce((sum, { connections }) => sum + connections, 0) }
  }
}

function entryOf({ user, sessions, state, joinedAt }: Person): PresenceEntry {
  return { user, connections: sessions.size, state, joinedAt }
}
