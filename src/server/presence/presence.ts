import { isDeepStrictEqual } from 'node:util'
import type { PresenceList } from '../../protocol/presence.ts'
import type { Channels } from '../channels/channels.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { PresenceMessage } from '../cluster/message.ts'
import { within } from '../cluster/within.ts'
import type { Present } from './here.ts'
import { listWithin } from './list.ts'
import type { Person } from './person.ts'
import { type Change, View } from './view.ts'

// What somebody does shows at once; what a program does in a burst drowns nobody.
const UPDATE_EVERY_MS = 50
// Whoever joins waits no longer for what others show.
const LEARN_MS = 1000
const VIEWS_AT_ONCE = 50

export interface PresenceOptions {
  readonly channels: Pick<Channels, 'tell' | 'hasSome' | 'tellSome'>
  readonly cluster: Cluster
  /** How long a person whose session was lost still counts as present. */
  readonly graceMs: number
  /** How often, at most, the others are told of another state of one person in one channel; 50 unless given. */
  readonly updateEveryMs?: number
  /** Told when somebody is in a channel on this instance now, or is not any more. */
  readonly noticed?: (channel: string, userId: string, isHere: boolean) => void
}

/**
 * Who is here, on all instances: keeps the people of each channel that has some on this one, and tells its members when
 * that changes [PRE2]. Each instance tells its own members alone, whatever it learns from the others.
 */
export class Presence {
  readonly #options: PresenceOptions
  readonly #views = new Map<string, View>()
  #version = 0
  #restoring = false
  #restoreAgain = false

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  /** How many people are present on this instance, over all channels. */
  get size(): number {
    let size = 0
    for (const view of this.#views.values()) size += view.size
    return size
  }

  /**
   * Who is in a channel that somebody is in here, in at most so many bytes as JSON [PRE1]. Their states are the newest,
   * told already or not.
   */
  list(channel: string, maxBytes = Number.POSITIVE_INFINITY): PresenceList {
    const view = this.#views.get(channel)
    const { health } = this.#options.cluster
    const degraded = health === 'degraded' || (health === 'ok' && !view?.known)
    return listWithin(view?.people ?? [], maxBytes, degraded)
  }

  /** [PRE5] Who is in a channel, whoever of them is here. */
  async read(channel: string): Promise<PresenceList> {
    const close = await this.open(channel)
    const list = this.list(channel)
    close()
    return list
  }

  /** Whether somebody is in a channel on another instance, as far as those are reached. */
  async isElsewhere(channel: string, userId: string): Promise<boolean> {
    if (this.#options.cluster.health === 'off') return false
    const close = await this.open(channel)
    const others = this.#find(channel, userId).person?.elsewhere
    close()
    return others !== undefined && others.size > 0
  }

  /**
   * Has the people of a channel known, those on other instances too, until what it resolves to is called: as long as
   * that takes not too long, and the others are reached.
   */
  async open(channel: string): Promise<() => void> {
    const { cluster } = this.#options
    const view = this.#view(channel)
    view.holds++
    if (!view.known && cluster.health === 'ok') {
      await within(view.learn(), LEARN_MS, 'learning who is elsewhere').catch(() => {})
    }
    let held = true
    return () => {
      if (held) view.holds--
      held = false
      this.#closeIfIdle(view)
    }
  }

  /** Counts a session in. Told is a newcomer, and of who is here already only another state [JOIN6]. */
  enter(channel: string, session: Present, state?: Record<string, unknown>): void {
    const { updateEveryMs = UPDATE_EVERY_MS } = this.#options
    const view = this.#view(channel)
    const enter: Change = (person) => {
      if (person.here) return person.enter(session)
      person.begin(session, state, updateEveryMs)
      return true
    }
    this.#change(view, session.author.id, enter, session.id)
    if (state && !isDeepStrictEqual(state, view.find(session.author.id)?.entry?.state)) {
      this.update(channel, session, state)
    }
  }

  /**
   * Also the same person's other sessions are told, so that two tabs agree. Of states that follow each other faster than
   * may be told only the newest is, to all but the session that it is from [PRE2].
   */
  update(channel: string, session: Present, state: Record<string, unknown>): void {
    const { view, person } = this.#find(channel, session.author.id)
    if (!view || !person?.here) return
    person.show(state)
    person.here.updates.do(() => {
      this.#share(view, person)
      const update = { channel, userId: person.id, state: person.entry?.state }
      this.#options.channels.tell(channel, 'presence:update', update, session.id)
      if (view.roster.isWanted) view.roster.shown(person.session(session.id))
    })
  }

  /** Counts out a session that meant to go. A person whose other session was just lost is still waited for. */
  leave(channel: string, session: Present): void {
    const { view } = this.#find(channel, session.author.id)
    if (!view) return
    this.#change(view, session.author.id, (person) => {
      const left = person.exit(session)
      if (left && person.here?.isGone) person.end()
      return left
    })
  }

  /** Counts out a session that was lost: its person goes after the grace, unless a session enters meanwhile [PRE3]. */
  lose(channel: string, session: Present): void {
    const { graceMs } = this.#options
    if (graceMs === 0) {
      this.leave(channel, session)
      return
    }
    const { view } = this.#find(channel, session.author.id)
    if (!view) return
    this.#change(view, session.author.id, (person) => {
      const { here } = person
      const lost = person.exit(session)
      if (lost) here?.wait(session, graceMs, () => here.isGone && this.forget(channel, person.id))
      return lost
    })
  }

  /** Ends a person's presence in a channel at once, whatever sessions are here or waited for. */
  forget(channel: string, userId: string): void {
    const { view, person } = this.#find(channel, userId)
    if (!view || !person?.here) return
    this.#change(view, userId, () => {
      person.end()
      return true
    })
  }

  /** As `forget`, in every channel. */
  forgetEverywhere(userId: string): void {
    for (const channel of [...this.#views.keys()]) this.forget(channel, userId)
  }

  /** What another instance tells of one person. */
  receive({ channel, node, userId, version, entry }: PresenceMessage): void {
    const view = this.#views.get(channel)
    if (!view || node === this.#options.cluster.node) return
    if (!entry) {
      view.left(node, userId, version)
      return
    }
    if (entry.user.id !== userId) return
    this.#change(view, userId, (person) => person.hear(node, version, entry))
  }

  /** [PRE4] Another instance has ended. */
  expired(node: string): void {
    for (const view of [...this.#views.values()]) view.ended(node)
  }

  /** What others told may have been missed: all is learnt anew, and only what differs is told. */
  restored(): void {
    this.#restoreAgain = true
    if (!this.#restoring) void this.#restore()
  }

  /** Waits for nobody any more, and tells nothing. */
  stop(): void {
    for (const view of this.#views.values()) view.stop()
    this.#views.clear()
  }

  async #restore(): Promise<void> {
    this.#restoring = true
    while (this.#restoreAgain) {
      this.#restoreAgain = false
      const views = [...this.#views.values()]
      for (let at = 0; at < views.length; at += VIEWS_AT_ONCE) {
        await Promise.all(views.slice(at, at + VIEWS_AT_ONCE).map((view) => view.learnAnew()))
      }
    }
    this.#restoring = false
  }

  #view(channel: string): View {
    const found = this.#views.get(channel)
    if (found) return found
    const { cluster, channels, graceMs } = this.#options
    const view = new View(channel, {
      cluster,
      channels,
      graceMs,
      change: (of, userId, change) => this.#change(of, userId, change),
    })
    this.#views.set(channel, view)
    // Of its own: somebody may be waited for when the channel has no members here any more.
    view.subscribed = cluster.subscribe(channel)
    return view
  }

  #find(channel: string, userId: string): { view?: View; person?: Person } {
    const view = this.#views.get(channel)
    const person = view?.find(userId)
    return { ...(view && { view }), ...(person && { person }) }
  }

  /** Changes what is known of somebody, shows the others what it makes of who is here, and tells the members here. */
  #change(view: View, userId: string, change: Change, except?: string): void {
    const { channel } = view
    const { channels } = this.#options
    const person = view.person(userId)
    const [before, wasHere] = [person.entry, person.here !== undefined]
    const counted = view.roster.isWanted
    const sessionsBefore = counted ? person.sessions : []
    const own = change(person)
    const [after, isHere] = [person.entry, person.here !== undefined]
    if (own) this.#share(view, person)
    view.tidy(person)
    if (!before && after) channels.tell(channel, 'presence:join', { channel, member: after }, except)
    if (before && !after) channels.tell(channel, 'presence:leave', { channel, userId })
    if (before && after && !isDeepStrictEqual(before.state, after.state)) {
      channels.tell(channel, 'presence:update', { channel, userId, state: after.state })
      if (counted) view.roster.shown(person.sessions[0]?.session)
    }
    if (counted) view.roster.changed(sessionsBefore, person.sessions)
    if (isHere !== wasHere) this.#options.noticed?.(channel, userId, isHere)
    this.#closeIfIdle(view)
  }

  /** Shows the other instances what a person is here, then tells them. */
  #share(view: View, person: Person): void {
    const { cluster } = this.#options
    if (cluster.health === 'off') return
    const { channel, scope } = view
    const { id: userId, here } = person
    const entry = here?.shared ?? null
    const version = ++this.#version
    if (entry) cluster.leases.show(scope, userId, { version, entry })
    else cluster.leases.hide(scope, userId)
    cluster.tell({ kind: 'presence', channel, node: cluster.node, userId, version, entry })
  }

  #closeIfIdle(view: View): void {
    if (!view.isIdle || this.#views.get(view.channel) !== view) return
    this.#views.delete(view.channel)
    view.stop()
    this.#options.cluster.unsubscribe(view.channel)
  }
}
