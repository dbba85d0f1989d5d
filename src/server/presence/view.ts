import { z } from 'zod'
import type { Cluster } from '../cluster/cluster.ts'
import { sharedPresence } from '../cluster/message.ts'
import { type Elsewhere, Person } from './person.ts'
import { Roster } from './roster.ts'

/** What is shown of a person under a lease. */
export const shownPresence = z.object({ version: z.int(), entry: sharedPresence })

/** Changes what is known of a person; `true` when what this instance shows of them is another now. */
export type Change = (person: Person) => boolean | undefined

export interface ViewOptions {
  readonly cluster: Cluster
  readonly channels: ConstructorParameters<typeof Roster>[1]
  /** How long somebody who was lost still counts as present. */
  readonly graceMs: number
  /** Called for whatever is learnt of somebody. */
  change(view: View, userId: string, change: Change): void
}

// Other instances may need so long after an outage until they show everything again.
const DOUBT_MS = 4000

/** A look at what other instances show, and what came of them meanwhile. */
interface Reading {
  readonly ended: Set<string>
  /** The newest version of those who went, by node and person. */
  readonly gone: Map<string, number>
}

/** The people of one channel that somebody is in here, or is about to be. */
export class View {
  readonly channel: string
  readonly roster: Roster
  /** Joins under way that count on it. */
  holds = 0
  /** Whether it is known who is elsewhere. */
  known: boolean
  /** What other instances tell of it from then on arrives. */
  subscribed: Promise<void> = Promise.resolve()
  readonly #options: ViewOptions
  readonly #people = new Map<string, Person>()
  #stopped = false
  #reading: Reading | undefined
  #learning: Promise<void> | undefined
  #again: NodeJS.Timeout | undefined

  constructor(channel: string, options: ViewOptions) {
    this.channel = channel
    this.#options = options
    this.roster = new Roster(channel, options.channels, () => [...this.#people.values()])
    this.known = options.cluster.health === 'off'
  }

  get scope(): string {
    return `presence ${this.channel}`
  }

  /** In the order they came, the same on every instance. */
  get people(): Person[] {
    const people = [...this.#people.values()]
    if (this.#options.cluster.health === 'off') return people
    const joinedAt = ({ entry }: Person) => entry?.joinedAt ?? 0
    return people.sort((a, b) => joinedAt(a) - joinedAt(b) || (a.id < b.id ? -1 : 1))
  }

  /** How many of them are here. */
  get size(): number {
    let size = 0
    for (const { here } of this.#people.values()) if (here) size++
    return size
  }

  get isIdle(): boolean {
    return this.holds === 0 && this.size === 0
  }

  find(userId: string): Person | undefined {
    return this.#people.get(userId)
  }

  /** Somebody who is here or elsewhere, or nobody yet: then `tidy` forgets them unless they came. */
  person(userId: string): Person {
    const person = this.#people.get(userId) ?? new Person(userId, this.#options.cluster.node)
    this.#people.set(userId, person)
    return person
  }

  tidy(person: Person): void {
    if (!person.entry) this.#people.delete(person.id)
  }

  /** Somebody is not on an instance any more, as it has said. */
  left(node: string, userId: string, version: number): void {
    this.#reading?.gone.set(`${node} ${userId}`, version)
    const known = this.find(userId)?.elsewhere.get(node)
    if (known && known.version < version) this.#drop(userId, node)
  }

  /** [PRE4] An instance has ended. Who was lost there shortly before is still waited for [PRE3]. */
  ended(node: string): void {
    this.#reading?.ended.add(node)
    for (const { id, elsewhere } of [...this.#people.values()]) {
      const known = elsewhere.get(node)
      if (!known) continue
      const waitMs = known.shared.connections > 0 ? 0 : known.heardAt + this.#options.graceMs - performance.now()
      if (waitMs <= 0) this.#drop(id, node)
      else known.wait ??= setTimeout(() => this.#drop(id, node), waitMs).unref()
    }
  }

  /** Learns who is elsewhere. Does not reject: then it is not known, or as it was. */
  learn(): Promise<void> {
    this.#learning ??= this.#learn().finally(() => {
      this.#learning = undefined
    })
    return this.#learning
  }

  /** As `learn`, from what is shown from now on. */
  async learnAnew(): Promise<void> {
    await this.#learning
    await this.learn()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#again)
    this.roster.stop()
    for (const person of this.#people.values()) person.stop()
    this.#people.clear()
  }

  async #learn(): Promise<void> {
    const reading: Reading = { ended: new Set(), gone: new Map() }
    this.#reading = reading
    const missing = new Map<Elsewhere, () => void>()
    for (const person of this.#people.values())
      for (const [node, known] of person.elsewhere) missing.set(known, () => this.#doubt(person, node, known))
    try {
      await this.subscribed
      const entries = await this.#options.cluster.leases.read(this.scope)
      if (this.#stopped) return
      for (const { node, key, value } of entries) {
        const shown = shownPresence.safeParse(value).data
        if (!shown || shown.entry.user.id !== key || node === this.#options.cluster.node) continue
        if (reading.ended.has(node) || (reading.gone.get(`${node} ${key}`) ?? 0) >= shown.version) continue
        const known = this.find(key)?.elsewhere.get(node)
        if (known) missing.delete(known)
        this.#options.change(this, key, (person) => person.hear(node, shown.version, shown.entry))
      }
      for (const doubt of missing.values()) doubt()
      this.known = true
    } catch {
      // The others are not reached: when they are again, it is learnt anew.
    } finally {
      this.#reading = undefined
    }
  }

  /** Somebody is not shown any more: they went unheard, or their instance has not shown everything again yet. */
  #doubt(person: Person, node: string, known: Elsewhere): void {
    if (person.elsewhere.get(node) !== known || known.wait) return
    const now = performance.now()
    known.missingSince ??= now
    if (now - known.missingSince < DOUBT_MS) {
      this.#again ??= setTimeout(() => {
        this.#again = undefined
        void this.learnAnew()
      }, DOUBT_MS).unref()
    } else {
      this.#drop(person.id, node)
    }
  }

  #drop(userId: string, node: string): void {
    this.#options.change(this, userId, (person) => {
      person.drop(node)
      return undefined
    })
  }
}
