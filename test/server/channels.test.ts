import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Envelope, FactReply } from '../../src/protocol/envelope.ts'
import { memberKey } from '../../src/server/access/members.ts'
import { Channels } from '../../src/server/channels/channels.ts'
import type { Outgoing, Subscriber } from '../../src/server/channels/delivery.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
import type { Store } from '../../src/server/store/store.ts'
import { cleanup } from '../support/cleanup.ts'
import { oneInstance } from '../support/one-instance.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'

type Random = () => number

/** Numbers from 0 to 1, the same ones whenever the seed is the same. */
function randomOf(seed: number): Random {
  let state = Math.imul(seed, 2_654_435_761) >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

async function openStore(): Promise<Store> {
  const store = await openSqliteStore({
    file: ':memory:',
    synchronous: 'normal',
    retention: { facts: 10_000, days: 7 },
  })
  cleanup(() => store.close())
  return store
}

/** The real store with answers that are late: each call takes effect at once, and `late` says when it is answered. */
function answering(store: Store, late: () => Promise<unknown>): Store {
  const delayed = async <T>(answer: Promise<T>): Promise<T> => {
    await Promise.allSettled([answer, answer.then(late, late)])
    return answer
  }
  return {
    shared: store.shared,
    append: (draft) => delayed(store.append(draft)),
    open: (address) => delayed(store.open(address)),
    head: (address) => delayed(store.head(address)),
    read: (address, stretch) => delayed(store.read(address, stretch)),
    change: (change) => delayed(store.change(change)),
    record: (key) => delayed(store.record(key)),
    heads: (addresses) => delayed(store.heads(addresses)),
    records: (stretch) => delayed(store.records(stretch)),
    recordsNamed: (wanted) => delayed(store.recordsNamed(wanted)),
    snapshot: (address, kind) => delayed(store.snapshot(address, kind)),
    count: (wanted) => delayed(store.count(wanted)),
    trim: () => store.trim(),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

function channelsOver(store: Store): Channels {
  const limits = { maxCatchUp: 1000, maxReplyBytes: 2 ** 20 }
  return new Channels({ ...oneInstance(store), standsBy: memberKey, rules: {}, reactions: {}, ...limits })
}

/** What a session saw, as it came. `own`: the reply to a fact that it published itself, and that was new. */
type Seen =
  | { readonly what: 'asked' | 'left' }
  | { readonly what: 'joined'; readonly head: number; readonly since: number | undefined; readonly events: number[] }
  | { readonly what: 'fact' | 'own'; readonly seq: number }

/** A session as far as channels know it, that remembers all it was told. */
class Recorder implements Subscriber {
  readonly id: string
  readonly userId: string
  readonly echo: boolean
  readonly ready = true
  readonly seen: Seen[] = []
  closed = false
  position: { epoch: string; seq: number } | undefined

  constructor(id: string, echo = false) {
    this.id = id
    this.userId = id
    this.echo = echo
  }

  hides(): boolean {
    return false
  }

  measure(): number {
    return 100
  }

  hidesSignalsOf(): boolean {
    return false
  }

  reset(): void {}

  deliver(events: readonly Outgoing[]): void {
    if (this.closed) return
    for (const { body } of events) this.seen.push({ what: 'fact', seq: (body as Envelope).seq })
  }

  async join(channels: Channels, since = this.position): Promise<void> {
    this.seen.push({ what: 'asked' })
    const door = { admit: () => turn(), beside: async () => turn({}), enter: () => {} }
    const { log, open } = await channels.join(this, { channel, echo: this.echo, ...(since && { since }) }, door)
    const events = log.events.map(({ seq }) => seq)
    this.seen.push({ what: 'joined', head: log.head, since: since?.seq, events })
    this.position = { epoch: log.epoch, seq: log.head }
    open()
  }

  leave(channels: Channels): void {
    channels.leave(this, channel)
    this.seen.push({ what: 'left' })
  }

  async publish(channels: Channels, operationId: string): Promise<FactReply> {
    const fact = { channel, type: 'a:b', payload: {}, operationId, user: null, role: 'admin' as const, origin: this.id }
    const reply = await channels.publish(fact)
    if (!reply.duplicate) this.seen.push({ what: 'own', seq: reply.seq })
    return reply
  }

  facts(): number[] {
    return this.seen.flatMap((one) => (one.what === 'fact' ? one.seq : []))
  }

  get isMember(): boolean {
    return this.seen.findLast(({ what }) => what === 'joined' || what === 'left')?.what === 'joined'
  }

  /** What is wrong with all it saw, where the log ended at `head`. */
  faults(head: number): string[] {
    const faults: string[] = []
    const own = new Set(this.seen.flatMap((one) => (one.what === 'own' ? one.seq : [])))
    // The seq up to which it was told everything; undefined while it is no member.
    let told: number | undefined
    let asking = false
    const owed = (upTo: number) => range(told ?? upTo, upTo).filter((seq) => this.echo || !own.has(seq))
    for (const one of this.seen) {
      if (one.what === 'asked') asking = true
      if (one.what === 'left') told = undefined
      if (one.what === 'joined') {
        asking = false
        const { head: reached, since, events } = one
        const missed = since === undefined ? [] : range(since, reached)
        if (String(events) !== String(missed)) faults.push(`given ${events} from ${since} to ${reached}`)
        if (told !== undefined && told > reached) faults.push(`${told} before the reply that tells ${reached}`)
        if (owed(reached).length > 0) faults.push(`${owed(reached)} not before the reply that tells ${reached}`)
        told = reached
      }
      if (one.what === 'fact') {
        const { seq } = one
        if (told === undefined) faults.push(`${seq} ${asking ? 'before the reply' : 'while no member'}`)
        else if (seq <= told) faults.push(`${seq} after ${told}`)
        else if (owed(seq - 1).length > 0) faults.push(`${seq} after ${told}, without ${owed(seq - 1)}`)
        if (own.has(seq) && !this.echo) faults.push(`${seq}, its own`)
        if (told !== undefined) told = Math.max(told, seq)
      }
    }
    if (this.isMember && !this.closed && owed(head).length > 0) faults.push(`never ${owed(head)}`)
    return faults.map((fault) => `${this.id} was told ${fault}`)
  }
}

/** The whole numbers after `after`, up to `last`. */
function range(after: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - after) }, (_, i) => after + 1 + i)
}

/** Six people who join, leave, vanish, publish and repeat as the seed has it. Resolves to what went wrong. */
async function story(seed: number): Promise<string[]> {
  const store = await openStore()
  const slowly = randomOf(seed)
  const channels = channelsOver(
    answering(store, async () => {
      if (slowly() < 0.7) await wait(slowly() * 4)
      else if (slowly() < 0.5) await turn()
    }),
  )
  const sessions: Recorder[] = []
  const operations: string[] = []

  async function person(n: number): Promise<void> {
    const random = randomOf(seed * 100 + n)
    const appear = () => {
      const session = new Recorder(`session ${n}.${sessions.length}`, n % 2 === 0)
      sessions.push(session)
      return session
    }
    const published: Promise<FactReply>[] = []
    let session = appear()
    for (let step = 0; step < 60; step++) {
      const dice = random()
      if (!session.isMember || dice < 0.15) {
        await session.join(channels, random() < 0.6 ? session.position : undefined)
      } else if (dice < 0.25) {
        session.leave(channels)
      } else if (dice < 0.3) {
        session.closed = true
        session.leave(channels)
        session = appear()
      } else if (dice < 0.75) {
        // One in five was sent before: by anybody, at any time, or by itself just now.
        const repeated = random() < 0.5 ? operations.at(-1) : operations[Math.floor(random() * operations.length)]
        const operationId = (random() < 0.2 && repeated) || `op-${operations.length}`
        operations.push(operationId)
        published.push(session.publish(channels, operationId))
        if (random() < 0.5) await published.at(-1)
      } else {
        await wait(random() * 3)
      }
    }
    await Promise.all(published)
  }

  await Promise.all(Array.from({ length: 6 }, (_, n) => person(n)))
  // What was stored last has been handed out by the end of the turn in which it was answered.
  await turn()
  await turn()
  const head = await store.head(channel)
  const faults = sessions.flatMap((session) => session.faults(head))
  for (const session of sessions) channels.leave(session, channel)
  if (channels.size > 0) faults.push('the channel is kept, with nobody in it')
  // The first ones tell where to look; the rest mostly follows from them.
  return faults.slice(0, 5).map((fault) => `seed ${seed}: ${fault}`)
}

test('[JOIN5] [SEQ3] [OP1] whoever joins, leaves and repeats over a slow store misses nothing and sees nothing twice', async () => {
  const faults: string[] = []
  for (let seed = 1; seed <= 24; seed += 6) {
    const stories = await Promise.all(range(seed - 1, seed + 5).map(story))
    faults.push(...stories.flat())
  }
  expect(faults).toEqual([])
})

test('[SEQ3] [OP1] its own fact is left out, also when the answer to its repeat comes first', async () => {
  let repeated: () => void = () => {}
  const answered = new Promise<void>((resolve) => {
    repeated = resolve
  })
  let appends = 0
  const store = await openStore()
  const channels = channelsOver({
    ...answering(store, turn),
    append: async (draft) => {
      const isFirst = appends++ === 0
      const stored = await store.append(draft)
      if (isFirst) await answered
      return stored
    },
  })
  const [ann, ben] = [new Recorder('ann'), new Recorder('ben')]
  await ann.join(channels)
  await ben.join(channels)
  const first = ann.publish(channels, 'op')
  expect(await ann.publish(channels, 'op')).toMatchObject({ seq: 1, duplicate: true })
  repeated()
  expect(await first).not.toHaveProperty('duplicate')
  await ben.publish(channels, 'op-2')
  await until('ann was told of the second', () => ann.facts().includes(2))
  expect(ann.facts()).toEqual([2])
  expect(ben.facts()).toEqual([1])
})
