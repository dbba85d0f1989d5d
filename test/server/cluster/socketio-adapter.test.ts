import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Emitter } from '@socket.io/redis-emitter'
import fc from 'fast-check'
import { pino } from 'pino'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { expect, test } from 'vitest'
import { isBoundedMsgpack } from '../../../src/server/cluster/msgpack-bounds.ts'
import { createSocketIoAdapter } from '../../../src/server/cluster/socketio-adapter.ts'
import { listening } from '../../../src/server/listening.ts'
import { createMetrics, type Metrics } from '../../../src/server/observe/metrics.ts'
import { cleanup } from '../../support/cleanup.ts'
import { startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/until.ts'
import { failures } from './nodes.ts'

interface Node {
  readonly server: Server
  readonly client: Socket
  /** What its client, who is in room `r`, was emitted as `news`. */
  readonly news: unknown[]
  readonly metrics: Metrics
}

/** A bare Socket.IO server with the adapter, and a client of its own. */
async function startNode(url: string): Promise<Node> {
  const metrics = createMetrics('test')
  const joined = await createSocketIoAdapter({ url, prefix: 'test', logger: pino({ level: 'silent' }), metrics })
  cleanup(() => joined.close())
  const http = createServer()
  const server = new Server(http, { adapter: joined.adapter })
  cleanup(() => server.close())
  server.on('connection', (socket) => socket.join('r'))
  await listening(http, 0, '127.0.0.1')
  const { port } = http.address() as AddressInfo
  const client = io(`http://127.0.0.1:${port}`, { transports: ['websocket'] })
  cleanup(() => client.disconnect())
  const news: unknown[] = []
  client.on('news', (body: unknown) => news.push(body))
  await until('connected', () => client.connected)
  return { server, client, news, metrics }
}

/** Emits until it arrives at the other node. */
async function untilReaches(from: Node, to: Node): Promise<void> {
  const mark = `mark ${Math.random()}`
  const emitting = setInterval(() => from.server.to('r').emit('news', mark), 20)
  await until('emits reach the other node', () => to.news.includes(mark)).finally(() => clearInterval(emitting))
}

function unhandledHere(): unknown[] {
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)
  for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
    process.on(event, note)
    cleanup(() => process.off(event, note))
  }
  return unhandled
}

async function rogueOn(url: string) {
  const rogue = createClient({ url, RESP: 2 }).on('error', () => {})
  await rogue.connect()
  cleanup(() => rogue.destroy())
  return rogue
}

test('what is emitted on one node, and by an emitter, reaches the clients of all', async () => {
  const redis = await startRedis()
  const [one, other] = [await startNode(redis.url), await startNode(redis.url)]
  one.server.to('r').emit('news', 1)
  await until('both have it', () => one.news.length > 0 && other.news.length > 0)
  const emitter = new Emitter(await rogueOn(redis.url), { key: 'test:socket.io' })
  emitter.to('r').emit('news', { from: 'app' })
  await until('both have it', () => one.news.length > 1 && other.news.length > 1)
  expect(other.news).toEqual([1, { from: 'app' }])
  expect((await one.server.fetchSockets()).length).toBe(2)
  other.server.in('r').disconnectSockets(true)
  await until('both are closed', () => !one.client.connected && !other.client.connected)
})

test('Redis killed while emits go on: no process ends, local clients get everything at once, and the others again when it is back', async () => {
  const unhandled = unhandledHere()
  const redis = await startRedis()
  const [one, other] = [await startNode(redis.url), await startNode(redis.url)]
  await untilReaches(one, other)
  let emitted = 0
  const emitting = setInterval(() => one.server.to('r').emit('news', emitted++), 2)
  cleanup(() => clearInterval(emitting))
  await redis.kill9()
  const since = emitted
  await until('many are emitted without Redis', () => emitted > since + 300)
  await expect(one.server.fetchSockets()).rejects.toThrow()
  one.server.serverSideEmit('hello')
  one.server.in('nobody').disconnectSockets()
  clearInterval(emitting)
  await until('all is here', () => one.news.includes(emitted - 1))
  expect(one.news.filter((n) => typeof n === 'number')).toEqual(Array.from({ length: emitted }, (_, n) => n))
  expect(await failures(one.metrics, 'unsent')).toBeGreaterThan(0)
  await redis.restart()
  await untilReaches(one, other)
  await untilReaches(other, one)
  expect(unhandled).toEqual([])
})

test('Redis away at the start, and frozen: clients of this node are served', async () => {
  const unhandled = unhandledHere()
  const redis = await startRedis()
  await redis.kill9()
  const [one, other] = [await startNode(redis.url), await startNode(redis.url)]
  one.server.to('r').emit('news', 1)
  await until('it is there', () => one.news.length === 1)
  await redis.restart()
  await untilReaches(one, other)
  redis.freeze()
  one.server.to('r').emit('news', 'frozen')
  await until('it is there', () => one.news.includes('frozen'))
  // What waits for Redis when that is found to stand still is lost, and counted.
  while ((await failures(one.metrics, 'command')) === 0) {
    one.server.to('r').emit('news', 'frozen')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  redis.thaw()
  await untilReaches(other, one)
  expect(unhandled).toEqual([])
})

test('garbage on its channels ends nobody, and none of its neighbours is lost', async () => {
  const unhandled = unhandledHere()
  const redis = await startRedis()
  const [one, other] = [await startNode(redis.url), await startNode(redis.url)]
  await untilReaches(one, other)
  // What the application hears on its own events is not for others to make up.
  let connections = 0
  other.server.on('connection', async () => {
    connections++
    throw new Error('a socket that is none')
  })
  const rogue = await rogueOn(redis.url)
  const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])])
  const requests: string[] = [
    '{"type":2,"opts":{"rooms":5}}',
    '{"type":3,"opts":{"rooms":5}}',
    '{"type":4,"opts":{"rooms":{}}}',
    '{"type":5}',
    '{"type":0,"rooms":7}',
    '{"type":6}',
    '{"type":6,"data":[]}',
    '{"type":6,"data":["error",1]}',
    '{"type":6,"data":["connection",{}]}',
    '{"type":6,"uid":"x","data":["connection",{}]}',
    '{"type":6,"uid":"x","requestId":"r","data":["new_namespace",{}]}',
    '{"type":7,"requestId":"a"}',
    '{"type":7,"requestId":"a","opts":{"rooms":[],"except":[]},"packet":{"type":99}}',
    '{"type":7,"requestId":"a","opts":{"rooms":[],"except":[]},"packet":{"type":2,"data":["disconnect"]}}',
    '{"type":"x"}',
    '{',
    'null',
    '[]',
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
  ]
  const garbage: Buffer[] = [
    Buffer.from('garbage'),
    Buffer.alloc(0),
    Buffer.from([0xc1]),
    nested(3000),
    nested(200_000),
    // Ninety lists in each other that say they hold 30 million each: as much memory, before one is found not to be there.
    Buffer.concat(Array.from({ length: 90 }, () => Buffer.from([0xdd, 0x01, 0xc9, 0xc3, 0x80]))),
    Buffer.from([0xc9, 0xff, 0xff, 0xff, 0xff, 0x00]),
    Buffer.from([0x93, 0xa1, 0x78, 0xc0, 0xc0]),
    Buffer.from([0x93, 0xa1, 0x78, 0x81, 0xa4, 0x74, 0x79, 0x70, 0x65, 0x02, 0xc0]),
    Buffer.from([
      0x93, 0xa1, 0x78, 0x81, 0xa4, 0x74, 0x79, 0x70, 0x65, 0x02, 0x81, 0xa5, 0x72, 0x6f, 0x6f, 0x6d, 0x73, 0x05,
    ]),
    Buffer.alloc(2_097_152, 0x91),
  ]
  const addresses = [
    'test:socket.io#/#',
    'test:socket.io#/#r#',
    'test:socket.io-request#/#',
    'test:socket.io-response#/#',
  ]
  other.news.length = 0
  const sent: Promise<unknown>[] = []
  for (const message of [...requests.map((text) => Buffer.from(text)), ...garbage]) {
    for (const address of addresses) sent.push(rogue.sendCommand(['PUBLISH', address, message]))
    one.server.to('r').emit('news', sent.length)
  }
  await Promise.all(sent)
  await until('the last came', () => other.news.includes(sent.length))
  expect(other.news).toEqual(Array.from({ length: sent.length / 4 }, (_, i) => 4 * (i + 1)))
  expect(await failures(other.metrics, 'malformed')).toBeGreaterThan(20)
  // The largest may come last of all.
  while ((await failures(other.metrics, 'too_large')) === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(connections).toBe(0)
  await untilReaches(other, one)
  expect(unhandled).toEqual([])
})

/** A value without what the adapter's own encoding does not carry: whole numbers beyond 2^53, and keys named `__proto__`. */
function carried(json: string): unknown {
  return JSON.parse(json.replaceAll('__proto__', 'proto'), (_key, value: unknown) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) ? 0.5 : value,
  )
}

test('whatever is emitted arrives at other nodes’ clients as it does at this one’s', async () => {
  const redis = await startRedis()
  const [one, other] = [await startNode(redis.url), await startNode(redis.url)]
  await untilReaches(one, other)
  other.news.length = 0
  one.news.length = 0
  const sizes = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536]
  const values: unknown[] = [
    ...fc.sample(fc.json({ maxDepth: 6 }), 300).map(carried),
    ...sizes.flatMap((size) => [
      'x'.repeat(size),
      Array.from({ length: size }, (_, i) => i),
      Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, null])),
      Buffer.alloc(size, 7),
    ]),
    ...[127, 128, 2 ** 16, 2 ** 32, 2 ** 53 - 1].flatMap((n) => [n, -n, n + 0.5]),
    new Date(0),
  ]
  for (const value of values) one.server.to('r').emit('news', value)
  await until('all came', () => other.news.length >= values.length && one.news.length >= values.length)
  expect(other.news).toEqual(one.news)
})

test('what the adapter cannot encode reaches this node’s clients', async () => {
  const redis = await startRedis()
  const [one, other] = [await startNode(redis.url), await startNode(redis.url)]
  // As what is nested too deep; how deep that is depends on the engine's mood.
  one.server.to('r').emit('news', { left: 'out', symbol: Symbol('x') })
  await until('it is there', () => one.news.length === 1)
  expect(one.news).toEqual([{ left: 'out' }])
  expect(await failures(one.metrics, 'malformed')).toBe(1)
  await untilReaches(one, other)
})

test('MessagePack is looked over: whole, not too deep, no longer than it is', () => {
  const bounded = (...bytes: number[]) => isBoundedMsgpack(Buffer.from(bytes))
  expect(bounded(0x00)).toBe(true)
  expect(bounded(0xff)).toBe(true)
  expect(bounded(0x92, 0xa2, 0x61, 0x62, 0x81, 0xa1, 0x6b, 0xc3)).toBe(true)
  expect(bounded(0xdc, 0, 1, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(true)
  expect(bounded(0xde, 0, 1, 0xd9, 1, 0x61, 0xc4, 1, 0xff)).toBe(true)
  expect(bounded(0xd4, 0, 0)).toBe(true)
  expect(bounded(0xc7, 1, 5, 9)).toBe(true)
  expect(bounded()).toBe(false)
  expect(bounded(0x00, 0x00)).toBe(false)
  expect(bounded(0x92, 0x00)).toBe(false)
  expect(bounded(0xa2, 0x61)).toBe(false)
  expect(bounded(0xdd, 1, 0, 0, 0, 0)).toBe(false)
  expect(bounded(0xdf, 0xff, 0xff, 0xff, 0xff)).toBe(false)
  expect(bounded(0xdc, 0)).toBe(false)
  expect(bounded(0xc1)).toBe(false)
  expect(bounded(0xc7, 1, 5)).toBe(false)
  expect(isBoundedMsgpack(Buffer.concat([Buffer.alloc(99, 0x91), Buffer.from([0])]))).toBe(true)
  expect(isBoundedMsgpack(Buffer.concat([Buffer.alloc(101, 0x91), Buffer.from([0])]))).toBe(false)
})
