import { randomUUID } from 'node:crypto'
import type { Envelope, FactReply, LogEntry } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { HistoryBody, HistoryReply, JoinBody } from '../../protocol/session.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { RecordKey } from '../store/record.ts'
import { StandingChanged, type Store, type Stored } from '../store/store.ts'
import { type CatchUp, catchUp, historyOf, type ReplyLimits } from './catch-up.ts'
import type { Member } from './channel.ts'
import { hiddenFact, Outgoing, type Sender, Signal, type Subscriber } from './delivery.ts'
import { type Live, LiveChannels, type LiveChannelsOptions } from './live-channels.ts'
import type { FactRule, Publication } from './publication.ts'

/** A join that is done but for its reply: `open` lets the facts after it flow, once the reply has been sent. */
export interface Joined<Log, Entered = void> {
  readonly log: Log
  readonly entered: Entered
  readonly open: () => void
}

/** What the one who lets a session in has to say about it, step by step. */
export interface Door<Admission, Beside, Entered> {
  /**
   * Whether it may. Asked when the session is subscribed already, so whatever changes after the answer is seen.
   * @throws ConveneError when it may not
   */
  admit(): Promise<Admission>
  /** What else the reply is to tell of the channel as it is at the head. */
  beside(admission: Admission, log: CatchUp): Promise<Beside>
  /** It is a member from now on: nothing comes between this and what it is told of the log. */
  enter(beside: Beside): Entered
}

export interface ChannelsOptions extends ReplyLimits, LiveChannelsOptions {
  readonly store: Store
  readonly cluster: Cluster
  /** What else becomes of facts of a type. */
  readonly rules: Readonly<Record<string, FactRule>>
  /** The record that says what somebody may do in a channel. */
  readonly standsBy: (channel: string, userId: string) => RecordKey
}

/** Every channel with members on this instance, and the one way in for facts. */
export class Channels {
  readonly #options: ChannelsOptions
  readonly #live: LiveChannels

  constructor(options: ChannelsOptions) {
    this.#options = options
    this.#live = new LiveChannels(options)
  }

  /** Addresses and sessions of the channels that have members here. */
  *occupied(): Iterable<{ channel: string; sessions: string[] }> {
    for (const [channel, live] of this.#live) {
      const sessions = Array.from(live.channel.subscribers(), ({ id }) => id)
      if (sessions.length > 0) yield { channel, sessions }
    }
  }

  get size(): number {
    return this.#live.size
  }

  /** How many sessions a channel has on this instance. */
  sessionsIn(channel: string): number {
    return Array.from(this.#live.get(channel)?.channel.subscribers() ?? []).length
  }

  /**
   * Stores a fact, tells everybody, and resolves to its place and what its rule answers: stored, however far it was
   * delivered by then.
   * @throws ConveneError `operation_mismatch`, `unavailable`, what its rule throws
   */
  async publish(publication: Publication): Promise<FactReply> {
    const { operationId = randomUUID(), origin, channel, type, user } = publication
    const live = this.#live.get(channel)
    const author = origin === undefined ? undefined : live?.channel.member(origin)
    // Of two tries under way at once the first is the author's; the other's answer must not make it forgotten.
    const isOrigin = origin !== undefined && live?.channel.publishing(operationId, origin)
    try {
      const stored = await this.#append({ ...publication, operationId }, live, author)
      const { duplicate, epoch, seq, timestamp, payload, bytes, result } = stored
      const reply = { epoch, seq, operationId, timestamp, ...result }
      if (duplicate) {
        // One whose first answer was lost may still be to come.
        if (isOrigin && seq <= (live?.feed.position ?? 0)) live?.channel.forget(operationId)
        return { ...reply, duplicate: true }
      }
      this.#options.metrics.facts.inc()
      publication.spend?.(bytes)
      this.#live.stored({
        type,
        channel: channel as Envelope['channel'],
        epoch,
        seq,
        operationId,
        user,
        payload,
        timestamp,
      })
      return reply
    } catch (error) {
      if (isOrigin) live?.channel.forget(operationId)
      // It quotes what others wrote: no more to somebody who was removed before that [FACT3].
      const quotes = error instanceof ConveneError && error.conflict !== undefined
      if (quotes && live && author) await this.#expectStill(live, channel, author)
      throw error
    }
  }

  /** [FACT2] Stores it if its author may do so by then: where that has changed since it was asked, it is asked again. */
  async #append(
    publication: Publication & { operationId: string },
    live: Live | undefined,
    author: Member | undefined,
  ): Promise<Stored> {
    const { channel, type, operationId, user, payload, timestamp, baseVersion, roleAnew } = publication
    let { role } = publication
    // Who is a member here knows of all that their feed has brought; of others nothing is known.
    let standing = roleAnew && (author ? live?.feed.position : 0)
    for (;;) {
      const rules = Object.hasOwn(this.#options.rules, type) ? this.#options.rules[type] : undefined
      const rule = rules?.({ ...publication, role })
      const stands = user && standing !== undefined ? this.#options.standsBy(channel, user.id) : undefined
      const draft = { channel, type, operationId, user, payload, timestamp, baseVersion, rule, standing, stands }
      try {
        return await this.#options.store.append(draft)
      } catch (error) {
        if (!(error instanceof StandingChanged) || !roleAnew) throw error
        standing = error.seq
        if (live && author) {
          await live.feed.reach(error.seq)
          if (live.channel.member(author.subscriber.id) !== author) throw author.left ?? gone()
        }
        role = await roleAnew()
      }
    }
  }

  /**
   * Makes a session a member, with what its request wants of the log.
   * @throws ConveneError `unavailable`, what the door throws
   */
  async join<Admission, Beside, Entered>(
    subscriber: Subscriber,
    request: JoinBody,
    door: Door<Admission, Beside, Entered>,
  ): Promise<Joined<Omit<CatchUp, 'events'> & { events: LogEntry[] } & Beside, Entered>> {
    const read = async () => {
      const admission = await door.admit()
      const log = await catchUp(this.#options.store, request, this.#options)
      return { ...log, ...(await door.beside(admission, log)) }
    }
    const joined = await this.#join(subscriber, request.channel, request.echo ?? false, read, (log) => door.enter(log))
    return { ...joined, log: { ...joined.log, events: seenBy(subscriber, joined.log.events) } }
  }

  /**
   * Makes a session a member from now on; what was before it may ask for later.
   * @throws ConveneError `unavailable`
   */
  follow(subscriber: Subscriber, channel: string, enter: () => void): Promise<Joined<{ head: number }>> {
    return this.#join(subscriber, channel, false, async ({ feed }) => ({ head: feed.position }), enter)
  }

  /** Subscribe, hold back, read, merge; the caller sends the reply and then opens. */
  async #join<Log extends { head: number }, Entered>(
    subscriber: Subscriber,
    channel: string,
    echo: boolean,
    read: (live: Live) => Promise<Log>,
    enter: (log: Log) => Entered,
  ): Promise<Joined<Log, Entered>> {
    const live = this.#live.enter(channel)
    live.joining++
    const before = live.channel.member(subscriber.id)
    try {
      await live.started
      if (subscriber.closed) throw gone()
      const member = live.channel.admit(subscriber, echo)
      const log = await read(live)
      await live.feed.reach(log.head)
      if (live.channel.member(subscriber.id) !== member) throw member.left ?? gone()
      live.channel.settle(member, log.head, echo)
      // Gone while the store was read, or cut by what it was just delivered: nobody would take it out again, and a
      // reply would tell of a head that it has not reached.
      if (subscriber.closed) throw gone()
      return { log, entered: enter(log), open: () => live.channel.open(member) }
    } catch (error) {
      // Somebody who was a member stays one: only this joining failed.
      if (!before) live.channel.remove(subscriber.id)
      else if (live.channel.member(subscriber.id) === before) live.channel.open(before)
      throw error
    } finally {
      live.joining--
      this.#live.leaveIfEmpty(channel, live)
    }
  }

  /** Takes a session out, joining ones as well, which are told why. */
  leave(subscriber: Subscriber, channel: string, why?: ConveneError): void {
    const live = this.#live.get(channel)
    if (!live) return
    live.channel.flush()
    live.channel.remove(subscriber.id, why)
    this.#live.leaveIfEmpty(channel, live)
  }

  /** Takes a fact that another instance has stored. */
  heard(fact: Envelope): void {
    this.#live.heard(fact)
  }

  /**
   * Resolves when the members here have been told all that is stored by now.
   * @throws ConveneError `unavailable`
   */
  async upToNow(channel: string): Promise<void> {
    const live = this.#live.get(channel)
    if (live) await live.feed.reach(await this.#options.store.head(channel))
  }

  /**
   * A stretch of the log, for a member or, without one, for a server.
   * @throws ConveneError `unavailable`
   */
  async history(request: HistoryBody, reader?: Subscriber): Promise<HistoryReply> {
    const read = () => historyOf(this.#options.store, request, this.#options)
    if (!reader) return read()
    const page = await this.asMember(reader, request.channel, read)
    return { ...page, events: seenBy(reader, page.events) }
  }

  /**
   * Reads for a member, who is still one after all that was stored when it was read: nobody removed is told what
   * happened after their removal [FACT3].
   * @param read is told the last seq that members here have been told
   * @throws ConveneError `not_joined`, what `read` throws
   */
  async asMember<T>(subscriber: Subscriber, channel: string, read: (told: number) => Promise<T>): Promise<T> {
    const live = this.#live.get(channel)
    const member = live?.channel.member(subscriber.id)
    if (!live || !member) throw gone()
    const found = await read(live.feed.position)
    await this.#expectStill(live, channel, member)
    return found
  }

  /** @throws ConveneError when somebody is no member any more after all that is stored by now */
  async #expectStill(live: Live, channel: string, member: Member): Promise<void> {
    await this.upToNow(channel)
    if (live.channel.member(member.subscriber.id) !== member) throw member.left ?? gone()
  }

  /** Tells the members on this instance, all but one session's, something that is neither fact nor signal. */
  tell(channel: string, event: string, body: unknown, exceptSession?: string): void {
    this.tellSome(channel, event, body, ({ id }) => id !== exceptSession)
  }

  /** Whether a member on this instance is of a kind. */
  hasSome(channel: string, wanted: (subscriber: Subscriber) => boolean): boolean {
    for (const subscriber of this.#live.get(channel)?.channel.subscribers() ?? []) if (wanted(subscriber)) return true
    return false
  }

  /** Tells the members on this instance that are of a kind. */
  tellSome(channel: string, event: string, body: unknown, wanted: (subscriber: Subscriber) => boolean): void {
    this.#live.get(channel)?.channel.tell(new Outgoing(event, body), wanted)
  }

  /** Tells one person's sessions, on every instance, all but one. */
  tellPerson(channel: string, userId: string, event: string, body: Record<string, unknown>, except?: string): void {
    this.tellPersonHere(channel, userId, event, body, except)
    this.#options.cluster.tell({ kind: 'personal', channel, userId, event, body })
  }

  /** Tells one person's sessions on this instance, all but one. */
  tellPersonHere(channel: string, userId: string, event: string, body: unknown, exceptSession?: string): void {
    this.tellSome(channel, event, body, (subscriber) => subscriber.userId === userId && subscriber.id !== exceptSession)
  }

  /**
   * Sends a signal to the other members, those that are not behind. It may replace an earlier one of the same `key` that
   * has not gone out yet.
   */
  signal(channel: string, event: string, body: unknown, from: Sender, key: unknown = {}): void {
    this.#live.get(channel)?.channel.signal(new Signal(event, body, from), key)
  }
}

/** [MSG1] A stretch of the log as somebody may see it: asked last, so that a block counts that came while it was read. */
function seenBy(reader: Subscriber, facts: readonly Envelope[]): LogEntry[] {
  return facts.map((fact) => (reader.hides(fact) ? hiddenFact(fact) : fact))
}

function gone(): ConveneError {
  return new ConveneError('not_joined', 'The session ended or left the channel while it was joining')
}
