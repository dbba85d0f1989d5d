import { randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import { expect, test } from 'vitest'
import { Seal } from '../../../src/server/cluster/sealed.ts'
import { cleanup } from '../../support/cleanup.ts'
import { startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/until.ts'
import { failures, KEY, numbers, signal, startNode } from './nodes.ts'

const channel = 'project:p1'
const bus = `test:bus:${channel}`
const ROUNDS = 500

/** Somebody who can write to Redis, and knows how messages look. */
async function startRogue(url: string) {
  const rogue = createClient({ url, RESP: 2 })
  rogue.on('error', () => {})
  await rogue.connect()
  cleanup(() => rogue.destroy())
  return rogue
}

function changedAt(sealed: Buffer, at: number): Buffer {
  const changed = Buffer.from(sealed)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

/** What a node that has the key might say if it were of another version, or broken. */
const strange: unknown[] = [
  null,
  [],
  {},
  'text',
  7,
  { kind: 'other', channel },
  { kind: 'signal', channel: 5, event: 'signal', body: {}, from: {} },
  { ...signal(1, 'project:other') },
  { ...signal(1, channel), body: [] },
  { ...signal(1, channel), from: { sessionId: 1, userId: 2 } },
  { kind: 'fact', channel, fact: null },
  { kind: 'fact', channel, fact: { type: 'a:b', channel: 'project:other', epoch: 'e', seq: 1 } },
  {
    kind: 'fact',
    channel,
    fact: { channel, type: 'a:b', epoch: 'e', seq: -1, operationId: 'o', user: null, payload: {}, timestamp: 1 },
  },
  {
    kind: 'fact',
    channel,
    fact: {
      channel: 'room:x',
      type: 'a:b',
      epoch: 'e',
      seq: 1,
      operationId: 'o',
      user: null,
      payload: {},
      timestamp: 1,
    },
  },
  { kind: 'presence', channel, node: 'other', userId: 'u', version: 1, entry: null },
  { kind: 'presence', channel, node: 'rogue', userId: 'u', version: 1, entry: { user: 'u' } },
  { kind: 'personal', channel, userId: [], event: 'e', body: {} },
]

test.each([
  ['sharded', true],
  ['ordinary', false],
])(
  'garbage on every channel harms no node, and none of its neighbours is lost: %s channels',
  async (_name, sharding) => {
    const redis = await startRedis()
    const ann = await startNode(redis.url, { sharding })
    const bob = await startNode(redis.url, { sharding })
    const rogue = await startRogue(redis.url)
    const publish = (address: string, message: Buffer | string) =>
      rogue.sendCommand([sharding ? 'SPUBLISH' : 'PUBLISH', address, message])

    // One genuine message, as it goes through Redis.
    const genuine = new Promise<Buffer>((resolve) => {
      const hear = (message: Buffer) => resolve(message)
      const listener = createClient({ url: redis.url, RESP: 2 }).on('error', () => {})
      cleanup(() => listener.destroy())
      listener
        .connect()
        .then(() => (sharding ? listener.sSubscribe(bus, hear, true) : listener.subscribe(bus, hear, true)))
        .then(() => ann.cluster.tell(signal(0, channel)), String)
    })
    const sealed = await genuine
    for (const address of [channel, 'project:other']) await bob.cluster.subscribe(address)

    const rogueSeal = new Seal(randomBytes(32))
    const rightSeal = new Seal(KEY)
    const addresses = [bus, 'test:bus:project:other', 'test:nodes', `test:probe:${bob.cluster.node}`]
    const made: (() => Buffer | string)[] = [
      () => '',
      () => ' ',
      () => randomBytes(Math.floor(Math.random() * 300)),
      () => sealed.subarray(0, Math.floor(Math.random() * sealed.byteLength)),
      () => Buffer.concat([sealed, Buffer.from('x')]),
      () => changedAt(sealed, 20 + Math.floor(Math.random() * 40)),
      () => rogueSeal.close(bus, ann.cluster.node, JSON.stringify(signal(666, channel))),
      () => `${ann.cluster.node} ${'A'.repeat(43)} ${JSON.stringify(signal(666, channel))}`,
      () => `${bob.cluster.node} ${'A'.repeat(43)} ${JSON.stringify(signal(666, channel))}`,
      () => JSON.stringify(signal(666, channel)),
      () => '['.repeat(100_000),
      () => rightSeal.close(bus, 'rogue', '['.repeat(200_000)),
      () => rightSeal.close(bus, 'rogue', `${'[1,'.repeat(50_000)}1${']'.repeat(50_000)}`),
      ...strange.map((value) => () => rightSeal.close(bus, 'rogue', JSON.stringify(value))),
    ]

    const sent: Promise<unknown>[] = []
    for (let n = 1; n <= ROUNDS; n++) {
      ann.cluster.tell(signal(n, channel))
      for (let i = 0; i < 20; i++) {
        const address = addresses[Math.floor(Math.random() * addresses.length)] as string
        const make = made[Math.floor(Math.random() * made.length)] as () => Buffer | string
        sent.push(publish(address, make()))
      }
      if (n % 100 === 0) {
        // The same message on another channel.
        sent.push(publish('test:bus:project:other', sealed))
        await Promise.all(sent.splice(0))
      }
    }
    // Alone: of 32 MB that wait Redis cuts a subscriber, which is another story.
    await publish(bus, Buffer.alloc(20_971_520, 0x7b))
    ann.cluster.tell(signal(ROUNDS + 1, channel))
    await until('the last came', () => numbers(bob.received).includes(ROUNDS + 1))
    expect(numbers(bob.received)).toEqual(Array.from({ length: ROUNDS + 1 }, (_, i) => i + 1))
    expect(bob.received).toHaveLength(ROUNDS + 1)
    expect(bob.cluster.health).toBe('ok')
    expect(await failures(bob.metrics, 'connection')).toBe(0)
    for (const kind of ['unsealed', 'malformed', 'too_large']) {
      expect(await failures(bob.metrics, kind), kind).toBeGreaterThan(0)
    }
    expect(bob.expired).toEqual([])
  },
  60_000,
)

test('a farewell that somebody says again ends nobody who lives', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  bob.cluster.leases.show('scope', 'key', 1)
  const rogue = await startRogue(redis.url)
  const seal = new Seal(KEY)
  while ((await ann.cluster.leases.read('scope')).length === 0);
  for (const node of [bob.cluster.node, ann.cluster.node, 'nobody', 'nobody']) {
    await rogue.sendCommand(['SPUBLISH', 'test:nodes', seal.close('test:nodes', node, 'bye')])
  }
  await rogue.sendCommand(['SPUBLISH', 'test:nodes', seal.close('test:nodes', 'rogue', 'lost')])
  await until('it was heard', () => ann.restored.times > 0)
  expect(await ann.cluster.leases.read('scope')).toHaveLength(1)
  expect(ann.expired).toEqual(['nobody'])
})

test('a message of more than 1 MiB is not sent, and the next one is', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  await bob.cluster.subscribe(channel)
  ann.cluster.tell({ ...signal(1, channel), body: { n: 1, filler: 'é'.repeat(524_288) } })
  ann.cluster.tell(signal(2, channel))
  await until('it came', () => bob.received.length > 0)
  expect(numbers(bob.received)).toEqual([2])
  expect(await failures(ann.metrics, 'too_large')).toBe(1)
  expect(JSON.stringify(Object.prototype)).toBe('{}')
})

test('what two nodes with other stores say to each other on one Redis is not heard', async () => {
  const redis = await startRedis()
  const ann = await startNode(redis.url)
  const eve = await startNode(redis.url, { key: randomBytes(32) })
  await ann.cluster.subscribe(channel)
  eve.cluster.tell(signal(1, channel))
  eve.cluster.leases.show('scope', 'key', 1)
  while ((await failures(ann.metrics, 'unsealed')) === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(await ann.cluster.leases.read('scope')).toEqual([])
  expect(ann.received).toEqual([])
})
