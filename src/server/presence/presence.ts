import { isDeepStrictEqual } from 'node:util'
import type { PresenceList } from '../../protocol/presence.ts'
import type { Channels } from '../channels/channels.ts'
import { listWithin } from './list.ts'
import { Person, type Present } from './person.ts'

// What somebody does shows at once; what a program does in a burst drowns nobody.
const UPDATE_EVERY_MS = 50

export interface PresenceOptions {
  readonly channels: Pick<Channels, 'tell'>
  /** How long a person whose session was lost still counts as present. */
  readonly graceMs: number
  /** How often, at most, the others are told of another state of one person in one channel; 50 unless given. */
  readonly updateEveryMs?: number
}

/** Who is here: keeps the people of each channel, and tells its members when that changes [PRE2]. */
export class Presence {
  readonly #channels: Pick<Channels, 'tell'>
  readonly #graceMs: number
  readonly #updateEveryMs: number
  readonly #here = new Map<string, Map<string, Person>>()

  constructor({ channels, graceMs, updateEveryMs = UPDATE_EVERY_MS }: PresenceOptions) {
    this.#channels = channels
    this.#graceMs = graceMs
    this.#updateEveryMs = updateEveryMs
  }

  /** How many people are listed, over all channels. */
  get size(): number {
    let size = 0
    for (const people of this.#here.values()) size += people.size
    return size
  }

  /** Who is in a channel, in at most so many bytes as JSON [PRE1]. Their states are the newest, told already or not. */
  list(channel: string, maxBytes = Number.POSITIVE_INFINITY): PresenceList {
    return listWithin([...(this.#here.get(channel)?.values() ?? [])], maxBytes)
  }

  /** Counts a session in. Told is a newcomer, and of who is here already only another state [JOIN6]. */
  enter(channel: string, session: Present, state?: Record<string, unknown>): void {
    const person = this.#find(channel, session.author.id)
    if (!person) {
      const newcomer = new Person(session, state ?? {}, this.#updateEveryMs)
      const people = this.#here.get(channel) ?? new Map<string, Person>()
      this.#here.set(channel, people.set(newcomer.id, newcomer))
      this.#channels.tell(channel, 'presence:join', { channel, member: newcomer.entry }, session.id)
      return
    }
    person.enter(session)
    if (state && !isDeepStrictEqual(state, person.state)) this.update(channel, session, state)
  }

  /**
   * Also the same person's other sessions are told, so that two tabs agree. Of states that follow each other faster than
   * may be told only the newest is, to all but the session that it is from [PRE2].
   */
  update(channel: string, session: Present, state: Record<string, unknown>): void {
    const person = this.#find(channel, session.author.id)
    if (!person) return
    person.state = state
    const update = { channel, userId: person.id, state }
    person.updates.do(() => this.#channels.tell(channel, 'presence:update', update, session.id))
  }

  /** Counts out a session that meant to go. A person whose other session was just lost is still waited for. */
  leave(channel: string, session: Present): void {
    const person = this.#find(channel, session.author.id)
    if (person?.exit(session) && person.isGone) this.forget(channel, person.id)
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
      if (person.isGone) this.forget(channel, person.id)
    })
  }

  /** Ends a person's presence in a channel at once, whatever sessions are there or waited for. */
  forget(channel: string, userId: string): void {
    const people = this.#here.get(channel)
    const person = people?.get(userId)
    if (!people || !person) return
    person.stop()
    people.delete(userId)
    if (people.size === 0) this.#here.delete(channel)
    this.#channels.tell(channel, 'presence:leave', { channel, userId })
  }

  /** As `forget`, in every channel. */
  forgetEverywhere(userId: string): void {
    for (const channel of [...this.#here.keys()]) this.forget(channel, userId)
  }

  /** Waits for nobody any more, and tells nothing. */
  stop(): void {
    for (const people of this.#here.values()) for (const person of people.values()) person.stop()
    this.#here.clear()
  }

  #find(channel: string, userId: string): Person | undefined {
    return this.#here.get(channel)?.get(userId)
  }
}
