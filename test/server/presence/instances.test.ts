// Presence on several instances that share a real Redis, each with a record of what its members were told.
import { expect, test } from 'vitest'
import type { PresenceMessage, SharedPresence } from '../../../src/server/cluster/message.ts'
import type { Present } from '../../../src/server/presence/here.ts'
import { Presence } from '../../../src/server/presence/presence.ts'
import { cleanup } from '../../support/cleanup.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/until.ts'
import { startNode } from '../cluster/nodes.ts'

const channel = 'project:p1'
const NEVER_MS = 600_000

const session = (id: string, userId = 'ann', name?: string): Present => ({
  id,
  author: { id: userId, ...(name !== undefined && { name }) },
})

/** An instance, and what its members were told: the event, whom it is about, and the state if it is about one. */
async function instance(redis: RedisServer, graceMs = NEVER_MS) {
  const told: string[] = []
  const ended: string[] = []
  let hasMembers = false
  let held: PresenceMessage[] | undefined
  const presence: { room?: Presence } = {}
  const { cluster } = await startNode(
    redis.url,
    {},
    {
      received(message) {
        if (message.kind !== 'presence') return
        if (held) held.push(message)
        else presence.room?.receive(message)
      },
      restored: () => presence.room?.restored(),
      expired(node) {
        presence.room?.expired(node)
        ended.push(node)
      },
    },
  )
  const room = new Presence({
    cluster,
    graceMs,
    channels: {
      hasSome: () => false,
      tellSome() {},
      tell(_channel, event, body) {
        if (!hasMembers) return
        const { userId, member, state } = body as {
          userId?: string
          member?: { user: { id: string } }
          state?: object
        }
        const what = event.slice('presence:'.length)
        told.push([what, userId ?? member?.user.id, ...(state ? [JSON.stringify(state)] : [])].join(' '))
      },
    },
  })
  presence.room = room
  cleanup(() => room.stop())
  /** As a session joins. Whoever joins after it came later, also by the clock that lists are ordered by. */
  async function join(who: Present, state?: Record<string, unknown>): Promise<void> {
    const close = await room.open(channel)
    hasMembers = true
    room.enter(channel, who, state)
    close()
    const enteredAt = Date.now()
    await until('the clock goes on', () => Date.now() > enteredAt)
  }
  /** From now on it hears nothing; what it gives has it hear all that came, once so much has. */
  function hold(): (count: number) => Promise<void> {
    const came: PresenceMessage[] = []
    held = came
    return async (count) => {
      await until('it has come', () => came.length >= count)
      held = undefined
      for (const message of came) room.receive(message)
    }
  }
  return { presence: room, cluster, join, hold, told, ended, list: () => room.list(channel) }
}

type Instance = Awaited<ReturnType<typeof instance>>

/** Waits until all instances list the same. */
async function untilAgreed(instances: readonly Instance[], what: (list: ReturnType<Instance['list']>) => boolean) {
  const texts = () => new Set(instances.map(({ list }) => JSON.stringify(list())))
  const [first] = instances as [Instance]
  await until('all list the same', () => texts().size === 1 && what(first.list()))
}

test('[PRE1] [PRE2] one person on two instances is one entry everywhere, told once as coming and once as going', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await c.join(session('c1', 'cyd'))
  await a.join(session('a1'), { page: 1 })
  await until('it is told', () => c.told.length === 2)
  await b.join(session('b1'))
  expect(b.list().members.map(({ user, state }) => [user.id, state])).toEqual([
    ['cyd', {}],
    ['ann', { page: 1 }],
  ])
  expect(b.told).toEqual([])
  await untilAgreed([a, b, c], ({ connections }) => connections === 3)
  a.presence.leave(channel, session('a1'))
  await untilAgreed([b, c], ({ connections }) => connections === 2)
  b.presence.leave(channel, session('b1'))
  await until('the leave is told', () => c.told.includes('leave ann'))
  expect(c.told).toEqual(['join cyd', 'join ann', 'leave ann'])
  expect(a.told).toEqual(['join ann'])
  expect(b.told).toEqual(['leave ann'])
  expect([a.presence.size, b.presence.size]).toEqual([0, 0])
})

test('[PRE2] the newest state counts wherever it was set, also after its tab was closed', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await c.join(session('c1', 'cyd'))
  await a.join(session('a1'), { n: 1 })
  await b.join(session('b1'))
  b.presence.update(channel, session('b1'), { n: 2 })
  await until('the update is told', () => [a, b, c].every(({ told }) => told.includes('update ann {"n":2}')))
  await untilAgreed([a, b, c], ({ connections }) => connections === 3)
  b.presence.leave(channel, session('b1'))
  await untilAgreed([a, c], ({ connections, members }) => connections === 2 && members[1]?.state.n === 2)
  // One who comes now sees the same.
  const d = await instance(redis)
  await d.join(session('d1', 'dan'))
  await untilAgreed([a, c, d], ({ members }) => members[1]?.state.n === 2)
  expect(c.told.filter((event) => event.startsWith('update'))).toEqual(['update ann {"n":2}'])
})

test('[PRE2] a state set after another was seen is newer, however slow the clock', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await b.join(session('b1', 'ben'))
  await a.join(session('a1'))
  const hour: SharedPresence = {
    user: { id: 'ann' },
    connections: 1,
    state: { from: 'the future' },
    joinedAt: Date.now(),
    stateAt: Date.now() + 3_600_000,
    sessions: [],
  }
  // As from an instance whose clock is an hour fast.
  a.presence.receive({ kind: 'presence', channel, node: 'fast', userId: 'ann', version: 1, entry: hour })
  expect(a.told.at(-1)).toBe('update ann {"from":"the future"}')
  a.presence.update(channel, session('a1'), { from: 'now' })
  await until('it is told', () => b.told.includes('update ann {"from":"now"}'))
  a.presence.receive({ kind: 'presence', channel, node: 'fast', userId: 'ann', version: 2, entry: hour })
  expect(a.list().members).toMatchObject([{ user: { id: 'ben' } }, { state: { from: 'now' } }])
})

test('[PRE3] who is lost on one instance and comes back on another was never gone, and is not waited for any more', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await c.join(session('c1', 'cyd'))
  await a.join(session('a1'), { page: 1 })
  await until('it is told', () => c.told.length === 2)
  const [, before] = c.list().members
  a.presence.lose(channel, session('a1'))
  await until('she is lost', () => c.list().connections === 1)
  expect(c.list().members[1]).toEqual({ ...before, connections: 0 })
  await b.join(session('b1', 'ann', 'Ann Lee'))
  await untilAgreed([b, c], ({ connections }) => connections === 2)
  expect(c.list().members[1]).toEqual({ ...before, user: { id: 'ann', name: 'Ann Lee' } })
  await until('the first instance waits no more', () => a.presence.size === 0)
  b.presence.leave(channel, session('b1'))
  await until('the leave is told', () => c.told.includes('leave ann'))
  expect(c.told).toEqual(['join cyd', 'join ann', 'leave ann'])
})

test.each([NEVER_MS, 300])(
  '[PRE3] who is lost on one instance while here on another goes with the wait of %i ms, not before',
  async (graceMs) => {
    const redis = await startRedis()
    const [a, b, c] = [await instance(redis), await instance(redis, graceMs), await instance(redis)]
    await c.join(session('c1', 'cyd'))
    await a.join(session('a1'))
    await b.join(session('b1'))
    await untilAgreed([a, b, c], ({ connections }) => connections === 3)
    const lostAt = performance.now()
    b.presence.lose(channel, session('b1'))
    await untilAgreed([a, c], ({ connections }) => connections === 2)
    // What the tab that was here all the while does is no coming back.
    a.presence.update(channel, session('a1'), { n: 1 })
    await untilAgreed([a, c], ({ members }) => members[1]?.state.n === 1)
    a.presence.leave(channel, session('a1'))
    if (graceMs === NEVER_MS) {
      await untilAgreed([b, c], ({ connections, members }) => connections === 1 && members.length === 2)
      expect(c.told).toEqual(['join cyd', 'join ann', 'update ann {"n":1}'])
    } else {
      await until('the wait is over', () => c.told.includes('leave ann'))
      expect(performance.now() - lostAt).toBeGreaterThan(graceMs - 1)
      expect(c.told).toEqual(['join cyd', 'join ann', 'update ann {"n":1}', 'leave ann'])
    }
  },
)

test('[PRE3] who came before the loss has not come back, however late that is heard: the lost one is waited for', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await c.join(session('c1', 'cyd'))
  await a.join(session('a1'))
  await until('it is told', () => c.told.length === 2)
  const hear = a.hold()
  await b.join(session('b1'))
  await untilAgreed([b, c], ({ connections }) => connections === 3)
  a.presence.lose(channel, session('a1'))
  await untilAgreed([b, c], ({ connections }) => connections === 2)
  await hear(1)
  b.presence.leave(channel, session('b1'))
  await untilAgreed([a, c], ({ connections, members }) => connections === 1 && members.length === 2)
  expect(a.presence.size).toBe(1)
  // She comes back there by and by.
  await b.join(session('b2'))
  await until('she is not waited for any more', () => a.presence.size === 0)
  b.presence.leave(channel, session('b2'))
  await until('the leave is told', () => c.told.includes('leave ann'))
  expect(c.told).toEqual(['join cyd', 'join ann', 'leave ann'])
})

test('[PRE3] who comes back is not waited for any more, also where that is only learnt after an outage', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await c.join(session('c1', 'cyd'))
  await a.join(session('a1'))
  await until('it is told', () => c.told.length === 2)
  a.presence.lose(channel, session('a1'))
  await until('she is lost', () => c.list().connections === 1)
  a.hold()
  await b.join(session('b1'))
  await until('she is back', () => c.list().connections === 2)
  a.presence.restored()
  await until('she is not waited for any more', () => a.presence.size === 0)
  b.presence.leave(channel, session('b1'))
  await until('the leave is told', () => c.told.includes('leave ann'))
  expect(c.told).toEqual(['join cyd', 'join ann', 'leave ann'])
})

test('[PRE3] who was lost on an instance that then ends in good order is waited for by the others', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis, 500), await instance(redis, 500)]
  await b.join(session('b1', 'ben'))
  await a.join(session('a1', 'ann'))
  await a.join(session('a2', 'abe'))
  await until('both are told', () => b.told.length === 3)
  for (const lost of [session('a1', 'ann'), session('a2', 'abe')]) a.presence.lose(channel, lost)
  await until('they are lost', () => b.list().connections === 1)
  a.presence.stop()
  await a.cluster.close()
  await until('its end is known', () => b.ended.includes(a.cluster.node))
  // Ann comes back here, Abe does not.
  await b.join(session('b2', 'ann'))
  await until('Abe is not waited for any more', () => b.told.includes('leave abe'))
  expect(b.told).toEqual(['join ben', 'join ann', 'join abe', 'leave abe'])
  expect(b.list().members.map(({ user, connections }) => [user.id, connections])).toEqual([
    ['ben', 1],
    ['ann', 1],
  ])
})

test('[PRE3] who was lost on an instance that then ends, and came back elsewhere, is not waited for any more', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await b.join(session('b1', 'ben'))
  await c.join(session('c1', 'cyd'))
  await a.join(session('a1'))
  a.presence.lose(channel, session('a1'))
  for (const one of [b, c]) await until('she is lost', () => one.list().members.at(-1)?.connections === 0)
  a.presence.stop()
  await a.cluster.close()
  for (const one of [b, c]) await until('its end is known', () => one.ended.includes(a.cluster.node))
  await b.join(session('b2'))
  b.presence.leave(channel, session('b2'))
  expect(b.told.at(-1)).toBe('leave ann')
  await until('it is told', () => c.told.includes('leave ann'))
})

test('[PRE4] an instance that dies: its people have left, who is also elsewhere has not', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await b.join(session('b1', 'ben'))
  await a.join(session('a1', 'ann'))
  await a.join(session('a2', 'ben'))
  await untilAgreed([a, b], ({ connections }) => connections === 3)
  b.presence.expired(a.cluster.node)
  expect(b.told).toEqual(['join ben', 'join ann', 'leave ann'])
  expect(b.list()).toMatchObject({ connections: 1, members: [{ user: { id: 'ben' } }] })
  // It was not dead after all.
  a.presence.update(channel, session('a1', 'ann'), { alive: true })
  await until('she is back', () => b.told.includes('join ann'))
})

test('[PRE5] an instance without anybody in the channel lists the same, and keeps nothing of it', async () => {
  const redis = await startRedis()
  const [a, b, other] = [await instance(redis), await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'), { x: 1 })
  await b.join(session('b1', 'ben', 'Ben'))
  await b.join(session('b2', 'ann'))
  await untilAgreed([a, b], ({ connections }) => connections === 3)
  expect(await other.presence.read(channel)).toEqual(a.list())
  expect(await a.presence.read(channel)).toEqual(a.list())
  expect(await other.presence.read('project:empty')).toEqual({ members: [], connections: 0 })
  const subscribed = async () =>
    Number((await redis.cli('PUBSUB', 'SHARDNUMSUB', `test:bus:${channel}`)).split('\n')[1])
  await expect.poll(subscribed, { timeout: 20_000 }).toBe(2)
  for (const [{ presence }, who] of [
    [a, session('a1', 'ann')],
    [b, session('b1', 'ben')],
    [b, session('b2', 'ann')],
  ] as const)
    presence.leave(channel, who)
  await expect.poll(subscribed, { timeout: 20_000 }).toBe(0)
  expect(await redis.cli('EXISTS', `test:shown:presence ${channel}`)).toBe('0')
  expect(await other.presence.read(channel)).toEqual({ members: [], connections: 0 })
})

test('[PRE5] what was told while it was learnt who is elsewhere counts more than what was learnt', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'))
  await a.join(session('a2', 'abe'))
  const shown = await b.cluster.leases.read(`presence ${channel}`)
  expect(shown.map(({ key }) => key).sort()).toEqual(['abe', 'ann'])
  const opening = b.presence.open(channel)
  const { node } = a.cluster
  b.presence.receive({ kind: 'presence', channel, node, userId: 'ann', version: 1000, entry: null })
  const state = { newer: true }
  const entry: SharedPresence = {
    user: { id: 'abe' },
    connections: 7,
    state,
    joinedAt: 1,
    stateAt: Date.now(),
    sessions: [],
  }
  b.presence.receive({ kind: 'presence', channel, node, userId: 'abe', version: 1001, entry })
  const close = await opening
  expect(b.list().members).toMatchObject([{ user: { id: 'abe' }, connections: 7, state }])
  close()
})

test('[PRE5] what was lost on the way is mended when the connection is: only what differs is told', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await b.join(session('b1', 'ben'))
  for (const name of ['ann', 'abe', 'amy']) await a.join(session(name, name), { n: 1 })
  await until('all are told', () => b.told.length === 4)
  b.told.length = 0
  // Deaf: what it is subscribed to it does not hear.
  b.cluster.unsubscribe(channel)
  await b.cluster.subscribe('mark')
  a.presence.leave(channel, session('ann', 'ann'))
  a.presence.update(channel, session('abe', 'abe'), { n: 2 })
  await a.join(session('ada', 'ada'))
  await a.cluster.leases.read('nothing')
  await b.cluster.subscribe(channel)
  b.presence.restored()
  await until('all is told', () => b.told.length === 3)
  expect(b.told.toSorted()).toEqual(['join ada', 'leave ann', 'update abe {"n":2}'])
  await untilAgreed([a, b], ({ connections }) => connections === 4)
})

test('[PRE5] Redis forgets everything: nobody is said to have gone, and who comes sees all', async () => {
  const redis = await startRedis()
  const [a, b, c] = [await instance(redis), await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'), { n: 1 })
  await b.join(session('b1', 'ben'))
  await untilAgreed([a, b], ({ connections }) => connections === 2)
  await redis.cli('FLUSHALL')
  b.presence.restored()
  await expect
    .poll(async () => (await c.presence.read(channel)).members.map(({ user }) => user.id), { timeout: 20_000 })
    .toEqual(['ann', 'ben'])
  expect([a.told, b.told].map((told) => told.filter((event) => !event.startsWith('join')))).toEqual([[], []])
})

test('[PRE5] Redis is away: lists say so; back and empty, all is as before and only what differs is told', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'))
  await a.join(session('a2', 'abe'))
  await b.join(session('b1', 'ben'))
  await untilAgreed([a, b], ({ connections }) => connections === 3)
  await redis.kill9()
  await until('it is noticed', () => a.list().degraded === true && b.list().degraded === true)
  expect(b.list().members).toHaveLength(3)
  a.presence.leave(channel, session('a2', 'abe'))
  // Who comes meanwhile waits for nobody.
  await b.join(session('b2', 'bob'))
  const late = await b.presence.read('project:other')
  expect(late).toEqual({ members: [], connections: 0, degraded: true })
  await redis.restart()
  await untilAgreed([a, b], ({ connections, members }) => connections === 3 && members.length === 3)
  expect(b.list()).not.toHaveProperty('degraded')
  expect(a.told).toEqual(['join ann', 'join abe', 'join ben', 'leave abe', 'join bob'])
  expect(b.told).toEqual(['join ben', 'join bob', 'leave abe'])
})

test('[PRE5] Redis hangs: who comes waits a moment, and is told that there may be more', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'))
  redis.freeze()
  await b.join(session('b1', 'ben'))
  expect(b.list()).toMatchObject({ connections: 1, degraded: true })
  redis.thaw()
  await untilAgreed([a, b], ({ connections, degraded }) => connections === 2 && !degraded)
  expect(b.told).toEqual(['join ben', 'join ann'])
})

test('[PRE5] Redis is away for longer than a lease: presence is local, and whole again after', {
  timeout: 60_000,
}, async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'), { n: 1 })
  await b.join(session('b1', 'ben'))
  await untilAgreed([a, b], ({ connections }) => connections === 2)
  await redis.kill9()
  await until('each is alone', () => a.told.includes('leave ben') && b.told.includes('leave ann'))
  expect(a.list()).toMatchObject({ connections: 1, degraded: true, members: [{ user: { id: 'ann' } }] })
  await redis.restart()
  await untilAgreed([a, b], ({ connections, degraded }) => connections === 2 && !degraded)
  expect(b.told).toEqual(['join ben', 'leave ann', 'join ann'])
})

test('a list that somebody else wrote into Redis, or that is of another kind, is believed by nobody', async () => {
  const redis = await startRedis()
  const [a, b] = [await instance(redis), await instance(redis)]
  await a.join(session('a1', 'ann'))
  a.cluster.leases.show(`presence ${channel}`, 'eve', { version: 1, entry: 'none' })
  a.cluster.leases.show(`presence ${channel}`, 'mal', {
    version: 1,
    entry: { user: { id: 'ben' }, connections: 1, state: {}, joinedAt: 1, stateAt: 1, sessions: [] },
  })
  await a.cluster.leases.read('nothing')
  expect((await b.presence.read(channel)).members.map(({ user }) => user.id)).toEqual(['ann'])
  b.presence.receive({ kind: 'presence', channel: 'project:none', node: 'x', userId: 'ann', version: 1, entry: null })
})
