import { readFileSync } from 'node:fs'
import { createClient } from 'redis'
import { describe, expect, test } from 'vitest'
import { KEY } from '../../support/api.ts'
import { cleanup } from '../../support/cleanup.ts'
import {
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  type Reached,
} from '../../support/connect.ts'
import { createDatabase } from '../../support/database.ts'
import { nodesOfFile } from '../../support/nodes.ts'
import { as, type Frame, openPlain, type Plain } from '../../support/plain.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { startNode } from '../../support/start-node.ts'
import { startServer } from '../../support/start-server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'

const ROOM = 'room:r1'
const GROUP = 'group:g1'

/** A message as the app has stored it. */
function message(id: string, more: Record<string, unknown> = {}) {
  const who = { authorId: 'cem', authorName: 'Cem Er', authorImage: 'https://example.com/c.jpg' }
  const createdAt = '2024-01-01T00:00:00.000Z'
  return { id, content: `words of ${id}`, roomId: 'r1', ...who, isEdited: false, createdAt, ...more }
}

const sent = (id: string, more?: Record<string, unknown>): Frame => ({
  type: 'CHAT_MESSAGE',
  payload: message(id, more),
})
const edited = (messageId: string, content: string): Frame => ({
  type: 'MESSAGE_EDIT',
  payload: { messageId, content, roomId: 'r1' },
})
const deleted = (messageId: string): Frame => ({ type: 'MESSAGE_DELETE', payload: { messageId, roomId: 'r1' } })
const mark = (n: number): Frame => ({ type: 'MARK', payload: { n } })

/** The app, as far as it is on Redis. */
async function appOn(redis: RedisServer) {
  const client = createClient({ url: redis.url })
  client.on('error', () => {})
  await client.connect()
  cleanup(() => client.destroy())
  return {
    client,
    async say(channel: string, frame: Frame | string | Buffer) {
      const text = typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame)
      return client.publish(channel, text as string)
    },
  }
}

/** A server that listens to the app on a Redis of its own, and the app. */
async function listening() {
  const redis = await startRedis()
  const server = await startServer({ databaseUrl: 'sqlite::memory:', communityRedis: true, redisUrl: redis.url })
  return { redis, server, app: await appOn(redis) }
}

/** A stock client of the community in a room or group. */
async function subscribed(server: Reached, userId: string, payload: Record<string, unknown> = { roomId: 'r1' }) {
  const client = await openPlain(server, `/api/community/ws${as(userId)}`)
  client.say({ type: 'SUBSCRIBE', payload: { ...payload, since: null } })
  await client.expect('SUBSCRIBED')
  client.taken()
  return client
}

/** Whether it is the app's word; who comes and goes is told besides. */
function isOfApp({ type }: Frame): boolean {
  return type !== 'USER_JOINED' && type !== 'USER_LEFT'
}

/** What came, but for the places in the log [D5]. */
function framesOf(client: Plain): Frame[] {
  return client.taken().map(({ epoch: _epoch, seq: _seq, channel: _channel, ...frame }) => frame)
}

describe('what the app publishes', () => {
  test('[D1] reaches who is subscribed, exactly as it was published, once and in order; and nobody else', async () => {
    const { server, app } = await listening()
    const [ann, ben] = [await subscribed(server, 'ann'), await subscribed(server, 'ben', { groupId: 'g1' })]
    const frames: readonly Frame[] = [
      sent('m1'),
      sent('m2', { authorImage: undefined }),
      edited('m1', 'other words'),
      deleted('m2'),
    ]
    for (const frame of frames) await app.say(ROOM, frame)
    await ann.expect('MESSAGE_DELETE')
    expect(framesOf(ann)).toEqual(frames.map((frame) => JSON.parse(JSON.stringify(frame))))

    const typing = { type: 'TYPING', payload: { userId: 'cem', userName: 'Cem', groupId: 'g1', isTyping: true } }
    const joined = { type: 'USER_JOINED', payload: { userId: 'cem', userName: 'Cem', userImage: 'i', groupId: 'g1' } }
    const left = { type: 'USER_LEFT', payload: { userId: 'cem', groupId: 'g1' } }
    const unknown = { type: 'POST_CREATED', payload: { any: ['thing', null], deep: { er: 1 } } }
    for (const frame of [joined, typing, unknown, left]) await app.say(GROUP, frame)
    await ben.expect('USER_LEFT')
    expect(framesOf(ben)).toEqual([joined, typing, unknown, left])

    await app.say(ROOM, mark(1))
    await ann.expect('MARK')
    expect(framesOf(ann)).toEqual([mark(1)])
  })

  test('[D1] [D7] is a fact of its author when it is of the chat, for every client and for later ones', async () => {
    const { server, app } = await listening()
    const dana = await connect(server, 'dana')
    await join(dana, ROOM)
    await app.say(ROOM, sent('m1'))
    await app.say(ROOM, edited('m1', 'other words'))
    await app.say(ROOM, sent('m2', { authorId: 'eva', authorName: 'Eva', authorImage: null, createdAt: 'long ago' }))
    await app.say(ROOM, deleted('m2'))
    const removed = await expectEvent(dana, 'message:delete')
    const cem = { id: 'cem', name: 'Cem Er', image: 'https://example.com/c.jpg' }
    const eva = { id: 'eva', name: 'Eva' }
    expect(removed).toMatchObject({ seq: 4, user: eva, payload: { messageId: 'm2' } })
    const facts = factsOf(dana, ROOM)
    expect(facts.map(({ type, user }) => [type, user])).toEqual([
      ['message:send', cem],
      ['message:edit', cem],
      ['message:send', eva],
      ['message:delete', eva],
    ])
    expect(facts[0]?.payload).toMatchObject({
      id: 'm1',
      content: 'words of m1',
      user: cem,
      createdAt: 1_704_067_200_000,
    })
    expect(Math.abs((facts[2]?.timestamp ?? 0) - Date.now())).toBeLessThan(60_000)

    const { messages } = await expectReply<{ messages: unknown[] }>(dana, 'message:list', { channel: ROOM })
    expect(messages).toMatchObject([
      { id: 'm2', content: '', deletedAt: expect.any(Number) },
      { id: 'm1', content: 'other words', user: cem, editedAt: expect.any(Number) },
    ])
    const late = await subscribed(server, 'late')
    late.say({ type: 'SUBSCRIBE', payload: { roomId: 'r1', since: { epoch: facts[0]?.epoch, seq: 1 } } })
    await late.expect('SUBSCRIBED')
    const types = framesOf(late).map(({ type }) => type)
    expect(types).toEqual(['MESSAGE_EDIT', 'CHAT_MESSAGE', 'MESSAGE_DELETE', 'SUBSCRIBED'])
  })

  test('[OP1] is kept once, however often it is said; and what is so already is not said again', async () => {
    const { server, app } = await listening()
    const ann = await subscribed(server, 'ann')
    for (const frame of [sent('m1'), sent('m1'), edited('m1', 'b'), edited('m1', 'b'), sent('m1')])
      await app.say(ROOM, frame)
    for (const frame of [edited('m1', 'words of m1'), edited('m1', 'b')]) await app.say(ROOM, frame)
    for (const frame of [deleted('m1'), deleted('m1'), edited('m1', 'c'), sent('m1')]) await app.say(ROOM, frame)
    await app.say(ROOM, sent('m2'))
    await ann.expect('CHAT_MESSAGE', ({ payload }) => payload?.id === 'm2')
    expect(framesOf(ann)).toEqual([
      sent('m1'),
      edited('m1', 'b'),
      edited('m1', 'words of m1'),
      edited('m1', 'b'),
      deleted('m1'),
      sent('m2'),
    ])
  })

  test('is told all the same when it cannot be kept: too long, odd ids, a message nobody has, no author', async () => {
    const { server, app } = await listening()
    const ann = await subscribed(server, 'ann')
    const eve = await connect(server, 'eve')
    await join(eve, ROOM)
    await expectReply(eve, 'message:send', { channel: ROOM, payload: { id: 'taken', content: 'mine' } })
    await ann.expect('CHAT_MESSAGE')
    ann.taken()
    const frames: readonly Frame[] = [
      sent('m1', { content: 'x'.repeat(4001) }),
      sent('m2', { content: '' }),
      sent('m'.repeat(129)),
      sent('m4', { authorId: '' }),
      edited('m5', 'of a message from before'),
      deleted('m5'),
      sent('taken'),
    ]
    for (const frame of frames) {
      await app.say(ROOM, frame)
      await ann.expect(frame.type as string, ({ payload }) => JSON.stringify(payload) === JSON.stringify(frame.payload))
    }
    expect(framesOf(ann)).toEqual(frames)
    // They may be lost, and have no place in the log.
    const signal = await expectEvent<Record<string, unknown>>(eve, 'signal')
    expect(signal).toEqual({
      channel: ROOM,
      user: { id: 'cem', name: 'Cem Er', image: 'https://example.com/c.jpg' },
      sessionId: '',
      name: 'CHAT_MESSAGE',
      payload: frames[0]?.payload,
    })
    expect((await expectReply(eve, 'channel:history', { channel: ROOM })).head).toBe(1)
  })

  test('[OP2] goes by an operationId that no client can tell beforehand, and so none can take', async () => {
    const { redis, server, app } = await listening()
    const another = await startServer({ databaseUrl: 'sqlite::memory:', communityRedis: true, redisUrl: redis.url })
    const ids = [server, another].map(async (each) => {
      const eve = await connect(each, 'eve')
      await join(eve, ROOM)
      return () => expectEvent(eve, 'message:delete').then(({ operationId }) => operationId)
    })
    const [here, there] = await Promise.all(ids)
    for (const frame of [sent('m1'), deleted('m1')]) await app.say(ROOM, frame)
    expect(await here?.()).not.toBe(await there?.())
  })

  test('waits for the database, and is kept in the order it was said', async () => {
    const [redis, database] = [await startRedis(), await createDatabase()]
    const server = await startServer({ databaseUrl: database.url, communityRedis: true, redisUrl: redis.url })
    const app = await appOn(redis)
    const dana = await connect(server, 'dana')
    await join(dana, ROOM)
    const release = await database.hold()
    for (const frame of [sent('m1'), edited('m1', 'b'), sent('m2')]) await app.say(ROOM, frame)
    for (let n = 0; n < 2; n++) await expectRefusal(dana, 'message:send', { channel: ROOM, payload: { content: 'x' } })
    expect(factsOf(dana, ROOM)).toEqual([])
    await release()
    await expectEvent(dana, 'message:send', ({ payload }) => payload.id === 'm2')
    expect(factsOf(dana, ROOM).map(({ type, seq }) => [type, seq])).toEqual([
      ['message:send', 1],
      ['message:edit', 2],
      ['message:send', 3],
    ])
    await expectNothing(dana, 'signal')
  })

  test('[REQ4] [D4] harms nobody when it is garbage, which is counted', async () => {
    const { server, app } = await listening()
    const ann = await subscribed(server, 'ann')
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
    const garbage: readonly (string | Buffer)[] = [
      '',
      'x',
      'null',
      '[]',
      '1',
      '"CHAT_MESSAGE"',
      '{"type":1,"payload":{}}',
      '{"type":"lower","payload":{}}',
      '{"payload":{}}',
      `{"type":"A","payload":${deep}}`,
      deep,
      Buffer.from([0xff, 0xfe, 0x00, 0x80]),
      JSON.stringify({ type: 'A', payload: { big: 'x'.repeat(65_536) } }),
    ]
    const channels = ['room:r1:typing', 'room:', 'room:a b', 'group:-x', `room:${'r'.repeat(129)}`]
    for (const text of garbage) await app.say(ROOM, text)
    for (const channel of channels) await app.say(channel, sent('m1'))
    const odd = [
      { type: 'A', payload: null },
      { type: 'B', payload: 'text' },
    ]
    for (const frame of odd) await app.say(ROOM, JSON.stringify(frame))
    await app.say(ROOM, sent('m1', { __proto__: { x: 1 }, authorName: 'a\u0000b', createdAt: '-100000-01-01' }))
    await app.say(ROOM, mark(1))
    await ann.expect('MARK')
    await ann.expect('CHAT_MESSAGE')
    const came = framesOf(ann)
    expect(came.filter(({ type }) => type === 'A' || type === 'B')).toEqual(odd)
    expect(came).toHaveLength(4)
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    const ignored = garbage.length + channels.length
    expect(metrics).toMatch(new RegExp(`^convene_app_messages_total{outcome="ignored"[^}]*} ${ignored}$`, 'm'))
  })

  test('is heard again when Redis has been restarted, empty, and the keys are filled again', async () => {
    const { redis, server, app } = await listening()
    const ann = await subscribed(server, 'ann')
    await until('ann is shown', async () => (await redis.cli('SMEMBERS', 'room:r1:online')) === 'ann')
    await redis.restart()
    await until('it is heard', async () => (await app.say(ROOM, mark(0)).catch(() => 0)) === 1)
    for (const key of ['users:online', 'room:r1:online'])
      await until(`${key} is filled`, async () => (await redis.cli('SMEMBERS', key)) === 'ann')
    await ann.expect('MARK')
    ann.taken()
    for (const frame of [sent('m1'), mark(1)]) await app.say(ROOM, frame)
    await ann.expect('CHAT_MESSAGE')
    await ann.expect('MARK')
    expect(framesOf(ann)).toEqual(expect.arrayContaining([sent('m1'), mark(1)]))
  })

  test('is heard again when Redis could not be reached, and who went meanwhile is taken out of the keys', async () => {
    const redis = await startRedis()
    const between = await startTcpProxy({ to: redis.port })
    const redisUrl = `redis://127.0.0.1:${between.port}`
    const server = await startServer({ databaseUrl: 'sqlite::memory:', communityRedis: true, redisUrl })
    const app = await appOn(redis)
    const [ann, ben] = [await subscribed(server, 'ann'), await subscribed(server, 'ben')]
    const isIn = async (userId: string) =>
      (await Promise.all(['users:online', 'room:r1:online'].map((key) => redis.cli('SISMEMBER', key, userId)))).join('')
    await until('both are shown', async () => (await isIn('ann')) + (await isIn('ben')) === '1111')
    between.refuse()
    between.reset()
    await until('nobody hears', async () => (await app.say(ROOM, mark(0))) === 0)
    const health = async () => {
      const { data } = await (await fetch(`${server.url}/api/community/ws/health`)).json()
      return (data as { pubsub: { isHealthy: boolean } }).pubsub.isHealthy
    }
    await until('that is told', async () => !(await health()))
    ben.ws.close(1000)
    await ann.expect('USER_LEFT')
    const cem = await subscribed(server, 'cem')
    await redis.cli('SREM', 'users:online', 'ann')
    expect(await isIn('ben')).toBe('11')
    between.allow()
    await until('that it is well is told', health)
    await until('ben is out', async () => (await isIn('ben')) === '00')
    await until('the others are in', async () => (await isIn('ann')) + (await isIn('cem')) === '1111')
    ann.taken()
    for (const frame of [sent('m1'), mark(1)]) await app.say(ROOM, frame)
    for (const client of [ann, cem]) {
      await client.expect('CHAT_MESSAGE')
      await client.expect('MARK', ({ payload }) => payload?.n === 1)
    }
  })
})

test('a server starts while the Redis of its app is away, and hears it when it comes', async () => {
  const redis = await startRedis()
  await redis.kill9()
  const server = await startServer({ databaseUrl: 'sqlite::memory:', communityRedis: true, redisUrl: redis.url })
  const ann = await subscribed(server, 'ann')
  await redis.restart()
  const app = await appOn(redis)
  await until('it is heard', async () => (await app.say(ROOM, mark(0))) === 1)
  await ann.expect('MARK')
  await until('ann is shown', async () => (await redis.cli('SMEMBERS', 'users:online')) === 'ann')
})

test('a Redis user needs no more than docs/deployment.md gives', async () => {
  const manual = readFileSync(new URL('../../../docs/deployment.md', import.meta.url), 'utf8')
  const confined = /user convene on >PASSWORD (.*)/.exec(manual)?.[1] ?? ''
  const more = /```\n(~users:online .*)\n/.exec(manual)?.[1] ?? ''
  const redis = await startRedis()
  await redis.cli('ACL', 'SETUSER', 'convene', 'on', '>pass', ...confined.split(' '), ...more.split(' '))
  const redisUrl = `redis://convene:pass@127.0.0.1:${redis.port}`
  const server = await startServer({ databaseUrl: 'sqlite::memory:', communityRedis: true, redisUrl })
  const [ann, app] = [await subscribed(server, 'ann'), await appOn(redis)]
  ann.say({ type: 'TYPING', payload: { roomId: 'r1', isTyping: true } })
  await until('ann types', async () => Number(await redis.cli('PTTL', 'room:r1:typing')) > 0)
  await app.say(ROOM, mark(0))
  await ann.expect('MARK')
  await server.close()
  expect(await redis.cli('SMEMBERS', 'users:online')).toBe('')
  expect(await redis.cli('ACL', 'LOG')).toBe('')
})

describe("the app's keys", () => {
  const members = async (redis: RedisServer, key: string) =>
    (await redis.cli('SMEMBERS', key)).split('\n').sort().join()

  test('say who is online, whatever they speak, and who is in a room or group', async () => {
    const { redis, server } = await listening()
    const expectKeys = async (keys: Record<string, string>) => {
      for (const [key, expected] of Object.entries(keys))
        await until(`${key} is ${expected}`, async () => (await members(redis, key)) === expected)
    }
    const ann = await subscribed(server, 'ann')
    const again = await subscribed(server, 'ann', { groupId: 'g1' })
    const dana = await connect(server, 'dana')
    await join(dana, ROOM)
    await join(dana, 'project:p1')
    await expectKeys({ 'users:online': 'ann,dana', 'room:r1:online': 'ann,dana', 'group:g1:online': 'ann' })
    expect(await redis.cli('EXISTS', 'project:p1:online')).toBe('0')

    again.ws.close(1000)
    await expectKeys({ 'group:g1:online': '', 'users:online': 'ann,dana' })
    ann.say({ type: 'UNSUBSCRIBE', payload: { roomId: 'r1' } })
    await expectKeys({ 'room:r1:online': 'dana', 'users:online': 'ann,dana' })
    dana.socket.disconnect()
    await expectKeys({ 'room:r1:online': '', 'users:online': 'ann' })
    await server.close()
    expect(await redis.cli('EXISTS', 'users:online', 'room:r1:online')).toBe('0')
  })

  test('say who types, since when, for five seconds', async () => {
    const { redis, server } = await listening()
    const [ann, ben] = [await subscribed(server, 'ann'), await connect(server, 'ben')]
    await join(ben, ROOM)
    const type = (isTyping: boolean) =>
      ann.say({ type: 'TYPING', payload: { userId: 'x', userName: 'x', roomId: 'r1', isTyping } })
    type(true)
    await expectReply(ben, 'typing', { channel: ROOM, isTyping: true })
    await until('both type', async () => (await redis.cli('HLEN', 'room:r1:typing')) === '2')
    const since = Number(await redis.cli('HGET', 'room:r1:typing', 'ann'))
    expect(Math.abs(since - Date.now())).toBeLessThan(20_000)
    expect(Number(await redis.cli('PTTL', 'room:r1:typing'))).toBeGreaterThan(0)
    expect(Number(await redis.cli('PTTL', 'room:r1:typing'))).toBeLessThanOrEqual(5000)
    type(false)
    await until('one types', async () => (await redis.cli('HKEYS', 'room:r1:typing')) === 'ben')
    ben.socket.disconnect()
    await until('nobody types', async () => (await redis.cli('EXISTS', 'room:r1:typing')) === '0')
  })
})

describe('on two nodes', () => {
  const startNodes = nodesOfFile()

  test('[OP1] [SEQ3] each frame reaches each client once, and is kept once', async () => {
    const { nodes, redis } = await startNodes(2, { communityRedis: true })
    const app = await appOn(redis)
    const clients = await Promise.all(nodes.map((node, n) => subscribed(node, `u${n}`)))
    const frames: Frame[] = []
    for (let n = 1; n <= 10; n++)
      frames.push(sent(`m${n}`), edited(`m${n}`, 'b'), edited(`m${n}`, `words of m${n}`), edited(`m${n}`, 'b'))
    // One after the other, as an app does.
    for (const [n, frame] of frames.entries()) {
      await app.say(ROOM, frame)
      for (const client of clients) await client.expectCount(n + 1, isOfApp)
    }
    await app.say(ROOM, mark(1))
    for (const client of clients) {
      await client.expect('MARK')
      expect(framesOf(client).filter(isOfApp)).toEqual([...frames, mark(1)])
    }
  })

  test('[OP1] a node that hears late adds nothing to what another has kept', async () => {
    const { nodes, redis, databaseUrl } = await startNodes(1, { communityRedis: true })
    const between = await startTcpProxy({ to: redis.port })
    const { port: _port, serverId: _serverId, ...shared } = nodes[0].server.options
    const redisUrl = `redis://127.0.0.1:${between.port}`
    const late = await startNode({ ...shared, port: 0, serverId: 'late', databaseUrl, redisUrl })
    const app = await appOn(redis)
    const [ann, ben] = [await subscribed(nodes[0], 'ann'), await subscribed(late, 'ben')]
    const frames = [sent('m1'), edited('m1', 'b'), edited('m1', 'c'), edited('m1', 'b'), edited('m1', 'd')]
    between.delay(400)
    for (const [n, frame] of frames.entries()) {
      await app.say(ROOM, frame)
      await ann.expectCount(n + 1, isOfApp)
    }
    await app.say(ROOM, mark(1))
    await ben.expect('MARK')
    await app.say(ROOM, sent('last'))
    for (const client of [ann, ben]) {
      await client.expect('CHAT_MESSAGE', ({ payload }) => payload?.id === 'last')
      expect(framesOf(client).filter((frame) => isOfApp(frame) && frame.type !== 'MARK')).toEqual([
        ...frames,
        sent('last'),
      ])
    }
    const metrics = async () => await (await fetch(`${late.url}/metrics`, { headers: { 'x-api-key': KEY } })).text()
    await until('the late one has heard all', async () =>
      /convene_app_messages_total{outcome="kept"[^}]*} 6/.test(await metrics()),
    )
    const history = await fetch(`${late.url}/api/v1/channels/${ROOM}/events`, { headers: { 'x-api-key': KEY } })
    expect(((await history.json()) as { head: number }).head).toBe(frames.length + 1)
  })

  test('[OP1] [SEQ3] of a burst everybody is told each frame once, in the order it was said', async () => {
    const { nodes, redis } = await startNodes(2, { communityRedis: true })
    const app = await appOn(redis)
    const clients = await Promise.all(nodes.map((node, n) => subscribed(node, `u${n}`)))
    const frames: Frame[] = []
    for (let n = 1; n <= 50; n++) frames.push(sent(`m${n}`), edited(`m${n}`, 'b'), edited(`m${n}`, `c${n}`))
    frames.push(sent('last'))
    await Promise.all(frames.map((frame) => app.say(ROOM, frame)))
    for (const client of clients) {
      await client.expect('CHAT_MESSAGE', ({ payload }) => payload?.id === 'last')
      expect(framesOf(client).filter(isOfApp)).toEqual(frames)
    }
  })

  test('somebody who is on another node as well stays online', async () => {
    const { nodes, redis } = await startNodes(2, { communityRedis: true })
    const [here, there] = [await subscribed(nodes[0], 'ann'), await subscribed(nodes[1], 'ann')]
    const ben = await subscribed(nodes[0], 'ben')
    const keys = ['users:online', 'room:r1:online']
    const expectOnline = async (expected: string) => {
      for (const key of keys)
        await until(
          `${key} is ${expected}`,
          async () => (await redis.cli('SMEMBERS', key)).split('\n').sort().join() === expected,
        )
    }
    await expectOnline('ann,ben')
    here.ws.close(1000)
    await here.closed
    ben.ws.close(1000)
    await expectOnline('ann')
    await nodes[0].server.close()
    await expectOnline('ann')
    there.ws.close(1000)
    await expectOnline('')
  })
})
