import { isDeepStrictEqual } from 'node:util'
import type { PresenceList } from '../../protocol/presence.ts'
import type { Channels } from '../channels/channels.ts'
import { Person, type Present } from './person.ts'

export interface PresenceOptions {
  readonly channels: Pick<Channels, 'tell'>
  /** How long a person whose session was lost still counts as present. */
  readonly graceMs: number
}

/** Who is here: keeps the people of each channel, and tells its members when that changes [PRE2]. */
export class Presence {
  readonly #channels: Pick<Channels, 'tell'>
  readonly #graceMs: number
  readonly #here = new Map<string, Map<string, Person>>()

  constructor({ channels, graceMs }: PresenceOptions) {
    this.#channels = channels
    this.#graceMs = graceMs
  }

  /** How many people are listed, over all channels. */
  get size(): number {
    let size = 0
    for (const people of this.#here.values()) size += people.size
    return size
  }

  list(channel: string): PresenceList {
    const members = Array.from(this.#here.get(channel)?.values() ?? [], ({ entry }) => entry)
    return { members, connections: members.reduce((sum, { connections }) => sum + connections, 0) }
  }

  /** Counts a session in. Told is a newcomer, and of who is here already only another state [JOIN6]. */
  enter(channel: string, session: Present, state?: Record<string, unknown>): void {
    const person = this.#find(channel, session.author.id)
    if (!person) {
      const newcomer = new Person(session, state ?? {})
      const people = this.#here.get(channel) ?? new Map<string, Person>()
      this.#here.set(channel, people.set(newcomer.id, newcomer))
      this.#channels.tell(channel, 'presence:join', { channel, member: newcomer.entry }, session.id)
      return
    }
    person.enter(session)
    if (state && !isDeepStrictEqual(state, person.state)) this.update(channel, session, state)
  }

  /** Also the same person's other sessions are told, so that two tabs agree. */
  update(channel: string, session: Present, state: Record<string, unknown>): void {
    const person = this.#find(channel, session.author.id)
    if (!person) return
    person.state = state
    this.#channels.tell(channel, 'presence:update', { channel, userId: person.id, state }, session.id)
  }

  /** Counts out a session that meant to go. A person whose other session was just lost is still waited for. */
  leave(channel: string, session: Present): void {
    const person = this.#find(channel, session.author.id)
    if (person?.exit(session) && person.isGone) this.#end(channel, person.id)
  }

  /** Counts out a session that was lost: its person goes after the grace, unless a session enters meanwhile [PRE3]. */
  lose(channel: string, session: Present): void {
    if (this.#graceMs === 0) {
      this.leave(channel, session)
      return
    }
    const person = this.#find(channel, session.author.id)
    if (!person?.exit(session)) return
    person.wait(this.#graceMs, () => {
      if (person.isGone) this.#end(channel, person.id)
    })
  }

  /** Ends a person's presence in a channel at once, whatever sessions are there or waited for. */
  forget(channel: string, userId: string): void {
    const person = this.#find(channel, userId)
    if (!person) return
    person.stopWaiting()
    this.#end(channel, userId)
  }

  /** As `forget`, in every channel. */
  forgetEverywhere(userId: string): void {
    for (const channel of [...this.#here.keys()]) this.forget(channel, userId)
  }

  /** Waits for nobody any more, and tells nothing. */
  stop(): void {
    for (const people of this.#here.values()) for (const person of people.values()) person.stopWaiting()
    this.#here.clear()
  }

  #find(channel: string, userId: string): Person | undefined {
    return this.#here.get(channel)?.get(userId)
  }

  #end(channel: string, userId: string): void {
    const people = this.#here.get(channel)
    if (!people?.delete(userId)) return
    if (people.size === 0) this.#here.delete(channel)
    this.#channels.tell(channel, 'presence:leave', { channel, userId })
  }
}
