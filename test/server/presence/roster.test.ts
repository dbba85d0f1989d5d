// Who is here session by session, as those are told who count so: alone, and on instances that share a real Redis.
import { expect, test } from 'vitest'
import type { Subscriber } from '../../../src/server/channels/delivery.ts'
import { createAlone } from '../../../src/server/cluster/alone.ts'
import type { Cluster } from '../../../src/server/cluster/cluster.ts'
import type { Present } from '../../../src/server/presence/here.ts'
import { Presence } from '../../../src/server/presence/presence.ts'
import type { RosterChange } from '../../../src/server/presence/roster.ts'
import { cleanup } from '../../support/cleanup.ts'
import { startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/until.ts'
import { startNode } from '../cluster/nodes.ts'

const channel = 'project:p1'
const NEVER_MS = 600_000

const session = (id: string, userId = id, counts: Present['counts'] = 'sessions'): Present => ({
  id,
  author: { id: userId },
  counts,
})

/** A member of the channel, as far as it is looked at to see who is told. */
function member(id: string, counts: 'people' | 'sessions'): Subscriber {
  return { id, counts } as Subscriber
}

/** Presence around a cluster, with all that it told: to those who count sessions, to one of them alone, and to all. */
function presenceOn(cluster: Cluster) {
  const told: RosterChange[] = []
  const own: { sessionId: string; body: RosterChange }[] = []
  const others: string[] = []
  const counters = new Set<string>()
  const presence = new Presence({
    cluster,
    graceMs: NEVER_MS,
    channels: {
      hasSome: (_channel, wanted) => [...counters].some((id) => wanted(member(id, 'sessions'))),
      tellSome(_channel, event, body, wanted) {
        expect(event).toBe('presence:sessions')
        expect(wanted(member('somebody', 'people'))).toBe(false)
        if (wanted(member('somebody', 'sessions'))) told.push(body as RosterChange)
        else {
          const [sessionId = ''] = [...counters].filter((id) => wanted(member(id, 'sessions')))
          own.push({ sessionId, body: body as RosterChange })
        }
      },
      tell: (_channel, event) => void others.push(event),
    },
  })
  cleanup(() => presence.stop())
  /** It is a member before it is counted in. */
  function enter(who: Present, state?: Record<string, unknown>): void {
    if (who.counts === 'sessions') counters.add(who.id)
    presence.enter(channel, who, state)
  }
  /** As a session joins. */
  async function join(who: Present, state?: Record<string, unknown>): Promise<void> {
    const close = await presence.open(channel)
    enter(who, state)
    close()
    const enteredAt = Date.now()
    // Whoever joins after it came later by the clock as well.
    await until('the clock goes on', () => Date.now() > enteredAt)
  }
  /** As a session that is a member no more before it is counted out. */
  function leave(who: Present): void {
    counters.delete(who.id)
    presence.leave(channel, who)
  }
  /** What was told since the last time, each as one line. */
  const lines = () => told.splice(0).map(lineOf)
  return { presence, cluster, enter, join, leave, told, own, others, lines }
}

/** As `joined b1 of 2: a1 b1`, with the state of whoever shows one. */
function lineOf({ change, session: one, sessions, count }: RosterChange): string {
  const list = sessions?.map(({ sessionId, state }) =>
    Object.keys(state).length > 0 ? `${sessionId}${JSON.stringify(state)}` : sessionId,
  )
  return `${[change, one?.sessionId, 'of', count].filter((word) => word !== undefined).join(' ')}${list ? `: ${list.join(' ')}` : ''}`
}

/** An instance of its own on a Redis. */
async function instance(url: string) {
  const room: { presence?: Presence } = {}
  const { cluster } = await startNode(
    url,
    {},
    {
      received: (message) => message.kind === 'presence' && room.presence?.receive(message),
      restored: () => room.presence?.restored(),
      expired: (node) => room.presence?.expired(node),
    },
  )
  const made = presenceOn(cluster)
  room.presence = made.presence
  return made
}

test('each session is told of when it comes, shows something and goes, with all who are here in the order they came', async () => {
  const { presence, join, leave, told, lines } = presenceOn(createAlone())
  await join(session('b1', 'ben'), { page: 1 })
  await join(session('a1', 'ann'))
  await join(session('b2', 'ben'))
  expect(told[1]).toEqual({
    channel,
    change: 'joined',
    session: { sessionId: 'a1', user: { id: 'ann' }, state: {}, joinedAt: expect.any(Number) },
    sessions: [
      { sessionId: 'b1', user: { id: 'ben' }, state: { page: 1 }, joinedAt: expect.any(Number) },
      { sessionId: 'a1', user: { id: 'ann' }, state: {}, joinedAt: expect.any(Number) },
    ],
    count: 2,
  })
  expect(lines()).toEqual([
    'joined b1 of 1: b1{"page":1}',
    'joined a1 of 2: b1{"page":1} a1',
    'joined b2 of 3: b1{"page":1} a1 b2{"page":1}',
  ])
  presence.update(channel, session('a1', 'ann'), { page: 2 })
  leave(session('b1', 'ben'))
  // Its person is waited for; the session is gone.
  presence.lose(channel, session('a1', 'ann'))
  expect(presence.list(channel).members).toHaveLength(2)
  await join(session('a2', 'ann'))
  expect(lines()).toEqual([
    'shown a1 of 3: b1{"page":1} a1{"page":2} b2{"page":1}',
    'left b1 of 2: a1{"page":2} b2{"page":1}',
    'left a1 of 1: b2{"page":1}',
    'joined a2 of 2: b2{"page":1} a2{"page":2}',
  ])
})

test('[JOIN6] a session that joins again is told of, in its old place at its new time; to all others nothing has happened', async () => {
  const { join, told, others, lines } = presenceOn(createAlone())
  await join(session('a1', 'ann'))
  await join(session('b1', 'ben'))
  const before = told[0]?.session?.joinedAt as number
  others.length = 0
  lines()
  await join(session('a1', 'ann'))
  expect(told[0]?.session?.joinedAt).toBeGreaterThan(before)
  expect(told[0]?.sessions?.[0]).toEqual(told[0]?.session)
  expect(lines()).toEqual(['joined a1 of 2: a1 b1'])
  // Within one millisecond as well.
  await Promise.all([join(session('a1', 'ann')), join(session('a1', 'ann'))])
  expect(lines()).toEqual(['joined a1 of 2: a1 b1', 'joined a1 of 2: a1 b1'])
  expect(others).toEqual([])
  await join(session('c1', 'cyd', 'people'))
  lines()
  await join(session('c1', 'cyd', 'people'))
  expect(lines()).toEqual([])
})

test('where nobody counts sessions nothing is told, and who does later knows of all', async () => {
  const { join, leave, lines } = presenceOn(createAlone())
  await join(session('c1', 'cyd', 'people'))
  await join(session('c2', 'cyd', 'people'))
  expect(lines()).toEqual([])
  await join(session('a1', 'ann'))
  leave(session('c1', 'cyd', 'people'))
  leave(session('a1', 'ann'))
  leave(session('c2', 'cyd', 'people'))
  expect(lines()).toEqual(['joined a1 of 3: c1 c2 a1', 'left c1 of 2: c2 a1'])
})

test('[PRE5] on two instances the same sessions are told of, in the same order, wherever they joined', async () => {
  const { url } = await startRedis()
  const [a, b] = [await instance(url), await instance(url)]
  await a.join(session('a1', 'ann'), { page: 1 })
  await b.join(session('b1', 'ben'))
  await until('a has heard', () => a.told.length === 2)
  await b.join(session('a2', 'ann'))
  await until('a has heard', () => a.told.length === 3)
  expect(b.lines()).toEqual(['joined b1 of 2: a1{"page":1} b1', 'joined a2 of 3: a1{"page":1} b1 a2{"page":1}'])
  a.presence.update(channel, session('a1', 'ann'), { page: 2 })
  await until('b has heard', () => b.told.length === 1)
  // It joins again: elsewhere that is told too, at the same time.
  await b.join(session('b1', 'ben'))
  await until('a has heard', () => a.told.length === 5)
  expect(a.told.at(-1)).toEqual(b.told.at(-1))
  b.leave(session('a2', 'ann'))
  await until('a has heard', () => a.told.length === 6)
  expect(a.lines().slice(1)).toEqual([
    'joined b1 of 2: a1{"page":1} b1',
    'joined a2 of 3: a1{"page":1} b1 a2{"page":1}',
    'shown a1 of 3: a1{"page":2} b1 a2{"page":2}',
    'joined b1 of 3: a1{"page":2} b1 a2{"page":2}',
    'left a2 of 2: a1{"page":2} b1',
  ])
})

test('[PRE4] the sessions of an instance that dies leave, also those of whoever is here as well', async () => {
  const { url } = await startRedis()
  const [a, b] = [await instance(url), await instance(url)]
  await b.join(session('b1', 'ben'))
  await a.join(session('a1', 'ann'))
  await a.join(session('b2', 'ben'))
  await until('b has heard', () => b.told.length === 3)
  b.lines()
  b.presence.expired(a.cluster.node)
  expect(b.lines().toSorted()).toEqual(['left a1 of 1: b1', 'left b2 of 2: b1 a1'].toSorted())
  expect(b.others.at(-1)).toBe('presence:leave')
})

test('a session that comes back on another instance is told of as another one', async () => {
  const { url } = await startRedis()
  const [a, b] = [await instance(url), await instance(url)]
  await b.join(session('b1', 'ben'))
  await a.join(session('a1', 'ann'), { page: 1 })
  await until('b has heard', () => b.told.length === 2)
  a.presence.lose(channel, session('a1', 'ann'))
  await until('b has heard', () => b.told.length === 3)
  await b.join(session('a2', 'ann'))
  await until('she is waited for no more', () => a.presence.size === 0)
  expect(b.lines().slice(1)).toEqual([
    'joined a1 of 2: b1 a1{"page":1}',
    'left a1 of 1: b1',
    'joined a2 of 2: b1 a2{"page":1}',
  ])
})

test('of more than 50 sessions the list goes to whoever comes, and to the others now and then', async () => {
  const { enter, leave, told, own } = presenceOn(createAlone())
  for (let n = 1; n <= 50; n++) enter(session(`s${n}`))
  expect(told.map(({ sessions }) => sessions?.length)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
  expect(own).toEqual([])
  told.length = 0
  for (let n = 51; n <= 60; n++) enter(session(`s${n}`))
  const joined = told.filter(({ change }) => change === 'joined')
  expect(joined.map(({ count, sessions }) => [count, sessions])).toEqual(
    Array.from({ length: 10 }, (_, i) => [51 + i, undefined]),
  )
  expect(own.map(({ sessionId }) => sessionId)).toEqual(joined.map((one) => one.session?.sessionId))
  expect(own.at(-1)?.body).toEqual({ ...joined.at(-1), sessions: expect.any(Array) })
  expect(own.map(({ body }) => body.sessions?.length)).toEqual(Array.from({ length: 10 }, (_, i) => 51 + i))
  const listed = () => told.filter(({ change }) => change === 'listed')
  await until('the last of them is on a list', () => listed().at(-1)?.sessions?.length === 60)
  expect(listed().length).toBeLessThan(10)
  expect(listed().at(-1)).toEqual({ channel, change: 'listed', sessions: own.at(-1)?.body.sessions, count: 60 })
  own.length = told.length = 0
  for (let n = 60; n > 50; n--) leave(session(`s${n}`))
  const left = told.filter(({ change }) => change === 'left')
  expect(left.map(({ count, sessions }) => [count, sessions?.length])).toEqual([
    ...Array.from({ length: 9 }, (_, i) => [59 - i, undefined]),
    [50, 50],
  ])
  expect(own).toEqual([])
})

test('a list has at most 1000 sessions, counts all, and goes out more often again when there are fewer', () => {
  const { enter, leave, told, own } = presenceOn(createAlone())
  for (let n = 1; n <= 1100; n++) enter(session(`s${n}`))
  expect(own.at(-1)?.body.sessions).toHaveLength(1000)
  expect(own.at(-1)?.body.count).toBe(1100)
  const listed = () => told.filter(({ change }) => change === 'listed')
  expect(listed().length).toBeLessThan(20)
  told.length = 0
  for (let n = 1100; n > 100; n--) leave(session(`s${n}`))
  expect(listed().length).toBeGreaterThan(2)
  expect(listed().length).toBeLessThan(20)
  expect(listed()[0]?.sessions?.length).toBe(listed()[0]?.count)
})

test('A17 a list of few sessions with much in them goes to the others now and then as well, and not all of it', async () => {
  const { enter, told, own } = presenceOn(createAlone())
  const image = 'x'.repeat(2000)
  const loud = (id: string) => ({ ...session(id), author: { id, image } })
  for (let n = 1; n <= 10; n++) enter(loud(`s${n}`))
  expect(told.at(-1)?.sessions).toHaveLength(10)
  for (let n = 11; n <= 200; n++) enter(loud(`s${n}`))
  const whole = told.filter(({ change, sessions }) => change === 'joined' && sessions)
  expect(whole.length).toBeLessThan(17)
  expect(own.at(-1)?.body.count).toBe(200)
  const bytes = Math.max(...own.map(({ body }) => JSON.stringify(body.sessions).length))
  expect(bytes).toBeGreaterThan(200_000)
  expect(bytes).toBeLessThan(262_144)
  const listed = () => told.filter(({ change }) => change === 'listed')
  await until('the others have a list', () => listed().length > 1)
  expect(listed().length).toBeLessThan(20)
})
