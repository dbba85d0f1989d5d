// Presence of real clients on several nodes, held against what they did.
import { expect, test } from 'vitest'
import type { PresenceEntry, PresenceList } from '../../../src/protocol/presence.ts'
import { apiOf } from '../../support/api.ts'
import {
  type Client,
  connect,
  expectEvent,
  expectReply,
  type Joined,
  join,
  type Refusal,
  type Reply,
} from '../../support/connect.ts'
import { nodesOfFile } from '../../support/nodes.ts'
import { startProcess } from '../../support/process-server.ts'
import type { TestNode } from '../../support/start-node.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const channel = 'project:p1'
const startNodes = nodesOfFile()

/** Numbers that look random and are the same for a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Somebody's tab in the channel, with who is there by its reply and the events after it. */
interface Tab {
  readonly client: Client
  readonly userId: string
  readonly present: Map<string, unknown>
  /** What came that does not fit what came before. */
  readonly wrong: string[]
}

async function openTab(node: TestNode, userId: string, state?: object): Promise<Tab> {
  const client = await connect(node, userId)
  const present = new Map<string, unknown>()
  const wrong: string[] = []
  client.socket.onAny((event: string, body: { member?: PresenceEntry; userId?: string; state?: unknown }) => {
    const id = body.member?.user.id ?? body.userId ?? ''
    if (event === 'presence:join') {
      if (present.has(id)) wrong.push(`${id} joined twice`)
      present.set(id, body.member?.state)
    } else if (event === 'presence:leave') {
      if (!present.delete(id)) wrong.push(`${id} left and was not here`)
    } else if (event === 'presence:update') {
      if (!present.has(id)) wrong.push(`${id} updated and was not here`)
      present.set(id, body.state)
    }
  })
  await new Promise<void>((resolve, reject) => {
    // In the reply's own turn: what is told after it may come in the same one, before a promise goes on.
    client.socket.emit('channel:join', { channel, ...(state && { state }) }, (reply: Reply<Joined> | Refusal) => {
      if (!reply.ok) return reject(new Error(reply.error.message))
      for (const { user, state } of reply.presence.members) present.set(user.id, state)
      return resolve()
    })
  })
  return { client, userId, present, wrong }
}

/** It is told to all others. */
async function show(tab: Tab, state: object): Promise<void> {
  await expectReply(tab.client, 'presence:update', { channel, state })
  tab.present.set(tab.userId, state)
}

async function listOf(node: TestNode): Promise<PresenceList> {
  const { body } = await (await apiOf(node))('GET', `/api/v1/channels/${channel}/presence`)
  const { members, connections } = body as unknown as PresenceList
  return { members, connections }
}

/** Waits until every node lists who has tabs, and each tab was told the same. */
async function expectAgreement(nodes: readonly TestNode[], tabs: readonly Tab[], what: string): Promise<void> {
  const counts = new Map<string, number>()
  for (const { userId } of tabs) counts.set(userId, (counts.get(userId) ?? 0) + 1)
  const expected = Object.fromEntries([...counts].toSorted())
  await expect
    .poll(
      async () => {
        const lists = await Promise.all(nodes.map(listOf))
        const [first] = lists as [PresenceList]
        const own = tabs.map(({ client }) => expectReply<PresenceList>(client, 'presence:list', { channel }))
        const replies = (await Promise.all(own)).map(({ members, connections }) => ({ members, connections }))
        const texts = new Set([...lists, ...replies].map((list) => JSON.stringify(list)))
        const states = Object.fromEntries(first.members.map(({ user, state }) => [user.id, state]).toSorted())
        const told = new Set(tabs.map(({ present }) => JSON.stringify([...present].toSorted())))
        const connections = Object.fromEntries(
          first.members.map(({ user, connections }) => [user.id, connections]).toSorted(),
        )
        return {
          different: texts.size,
          connections,
          told: [...told],
          states: JSON.stringify(Object.entries(states)),
        }
      },
      { timeout: 20_000, message: what },
    )
    .toSatisfy(
      (seen: { different: number; connections: object; told: string[]; states: string }) =>
        seen.different === 1 &&
        JSON.stringify(seen.connections) === JSON.stringify(expected) &&
        seen.told.length <= 1 &&
        seen.told.every((told) => told === seen.states),
    )
  for (const { wrong } of tabs) expect(wrong, what).toEqual([])
}

const PEOPLE = ['ann', 'ben', 'cyd', 'dan']

test.each([1, 2, 3])(
  '[PRE1] [PRE2] [PRE5] whatever people do on three nodes, all lists and all that was told agree: program %i',
  { timeout: 120_000 },
  async (seed) => {
    const { nodes, redis } = await startNodes(3, { presenceGraceMs: 300 })
    const random = randomOf(seed)
    const one = <T>(of: readonly T[]): T => of[random(of.length)] as T
    let tabs: Tab[] = []
    const close = (tab: Tab) => {
      tabs = tabs.filter((other) => other !== tab)
    }
    const did: string[] = []
    for (let step = 1; step <= 60; step++) {
      const tab = tabs.length > 0 ? one(tabs) : undefined
      const what = tab && tabs.length < 9 ? random(9) : tab ? 3 + random(6) : 0
      if (!tab || what < 3) {
        const [node, userId] = [random(nodes.length), one(PEOPLE)]
        did.push(`${userId} comes to ${node}`)
        tabs.push(await openTab(nodes[node] as TestNode, userId, what === 0 ? { step } : undefined))
      } else if (what < 6) {
        did.push(`${tab.userId} shows ${step}`)
        await show(tab, { step })
      } else {
        did.push(`${tab.userId} goes by ${what}`)
        if (what === 6) await expectReply(tab.client, 'channel:leave', { channel })
        else if (what === 7) tab.client.socket.disconnect()
        else tab.client.socket.io.engine.close()
        close(tab)
      }
      if (step % 20 === 0) await expectAgreement(nodes, tabs, `program ${seed}: ${did.join(', ')}`)
      // Redis is gone for a while: nobody has come or gone for that.
      if (step === 30) await redis.restart()
    }
    const [last] = tabs
    if (last) await show(last, { last: true })
    await expectAgreement(nodes, tabs, `program ${seed}: ${did.join(', ')}`)
    for (const { present } of tabs) expect(present.get(last?.userId ?? '')).toEqual({ last: true })
  },
)

test('[PRE3] when everybody has gone, also in the middle of joining, nothing is left on any node nor in Redis', async () => {
  const { nodes, redis } = await startNodes(2)
  for (let n = 0; n < 40; n++) {
    const client = await connect(nodes[n % 2] as TestNode, `user${n % 3}`)
    const joined = expectReply(client, 'channel:join', { channel, state: { n } }).catch(() => {})
    // Before, while or after it is let in.
    if (n % 4 === 3) await joined
    else for (let i = 0; i < n % 4; i++) await expectReply(client, 'ping', {})
    if (n % 3) client.socket.disconnect()
    else client.socket.io.engine.close()
  }
  const left = async () => [
    await redis.cli('EXISTS', `convene:shown:presence ${channel}`),
    await redis.cli('PUBSUB', 'SHARDNUMSUB', `convene:bus:${channel}`),
    await redis.cli('KEYS', 'convene:shown:user *'),
  ]
  await expect.poll(left, { timeout: 20_000 }).toEqual(['0', `convene:bus:${channel}\n0`, ''])
})

test('[PRE4] a node is killed: within 15 s its people have left, and who types there has stopped', {
  timeout: 60_000,
}, async () => {
  const { nodes, redis, databaseUrl } = await startNodes(2)
  const ben = await connect(nodes[0], 'ben')
  await join(ben, channel)
  const killed = await startProcess(
    { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, PRESENCE_GRACE_MS: '100' },
    { folder: temporaryFolder() },
  )
  const [ann, cyd] = [await connect(killed, 'ann'), await connect(killed, 'cyd')]
  for (const client of [ann, cyd]) await join(client, channel)
  await join(await connect(nodes[1], 'cyd'), channel)
  await expectReply(ann, 'typing', { channel, isTyping: true })
  await expectEvent<{ isTyping: boolean }>(ben, 'typing', ({ isTyping }) => isTyping)
  await expect.poll(async () => (await listOf(nodes[1])).connections, { timeout: 20_000 }).toBe(4)
  const at = performance.now()
  killed.kill('SIGKILL')
  await expectEvent<{ userId: string }>(ben, 'presence:leave', ({ userId }) => userId === 'ann')
  expect(performance.now() - at).toBeLessThan(15_000)
  await expectEvent<{ isTyping: boolean }>(ben, 'typing', ({ isTyping }) => !isTyping)
  for (const node of nodes) {
    await expect
      .poll(async () => (await listOf(node)).members, { timeout: 20_000 })
      .toMatchObject([
        { user: { id: 'ben' }, connections: 1 },
        { user: { id: 'cyd' }, connections: 1 },
      ])
  }
  const left = ben.received.filter(({ event }) => event === 'presence:leave')
  expect(left).toHaveLength(1)
})

test('[PRE3] a node that is stopped in good order: who comes back elsewhere was never gone', async () => {
  const { nodes } = await startNodes(2, { presenceGraceMs: 5000 })
  const ben = await connect(nodes[0], 'ben')
  await join(ben, channel)
  const ann = await connect(nodes[1], 'ann')
  await join(ann, channel, { state: { page: 1 } })
  await expectEvent(ben, 'presence:join')
  const lost = new Promise((resolve) => ann.socket.once('disconnect', resolve))
  const closed = nodes[1].server.close()
  await lost
  const back = await connect(nodes[0], 'ann')
  await join(back, channel)
  await closed
  await expect.poll(async () => (await listOf(nodes[0])).connections, { timeout: 20_000 }).toBe(2)
  expect((await listOf(nodes[0])).members).toMatchObject([{ user: { id: 'ben' } }, { state: { page: 1 } }])
  expect(ben.received.map(({ event }) => event).filter((event) => event.startsWith('presence:'))).toEqual([
    'presence:join',
  ])
})
