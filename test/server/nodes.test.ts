import { Emitter } from '@socket.io/redis-emitter'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { KEY } from '../support/api.ts'
import { cleanup } from '../support/cleanup.ts'
import { ask, type Client, connect, expectEvent, expectReply, factsOf, join } from '../support/connect.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { startNode, type TestNode } from '../support/start-node.ts'
import { SECRET } from '../support/start-server.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'
let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres({ forFile: true })
})
afterAll(() => postgres.stop())

/** Nodes that share a database. */
async function startNodes(count: number, options: ServerOptions = {}) {
  const databaseUrl = await postgres.createDatabase()
  const shared = { port: 0, jwtSecrets: [SECRET], databaseUrl, apiKeys: [KEY], presenceGraceMs: 100, ...options }
  const nodes: TestNode[] = []
  for (let i = 1; i <= count; i++) nodes.push(await startNode({ logLevel: 'silent', serverId: `n${i}`, ...shared }))
  return { nodes: nodes as [TestNode, TestNode, ...TestNode[]], database: new URL(databaseUrl).pathname.slice(1) }
}

async function call(node: TestNode, method: string, path: string, body?: unknown): Promise<Response> {
  const headers = { 'x-api-key': KEY, 'content-type': 'application/json' }
  return fetch(node.url + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
}

async function readiness(node: TestNode) {
  const response = await fetch(`${node.url}/readyz`)
  return { status: response.status, body: (await response.json()) as { status: string; checks: { redis: string } } }
}

async function untilReadiness(node: TestNode, redis: string): Promise<void> {
  while ((await readiness(node)).body.checks.redis !== redis) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** How many messages of the bus a node has taken in. */
async function heardBy(node: TestNode): Promise<number> {
  const text = await (await call(node, 'GET', '/metrics')).text()
  return Number(/^convene_cluster_messages_total\{[^}]*direction="received"[^}]*\} (\d+)$/m.exec(text)?.[1] ?? 0)
}

const ended = (client: Client) => new Promise<string>((resolve) => client.socket.once('disconnect', resolve))

test('[SEQ4] without Redis, nodes on one database find what the others have stored', async () => {
  const { nodes } = await startNodes(2, { headCheckMs: 400 })
  const [ann, ben] = [await connect(nodes[0], 'ann'), await connect(nodes[1], 'ben')]
  for (const client of [ann, ben]) await join(client, channel)
  for (let n = 0; n < 20; n++) await expectReply(ann, 'task:update', { channel, payload: { n } })
  await expectEvent(ben, 'task:update', ({ payload }) => payload.n === 19)
  expect(factsOf(ben, channel).map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
  expect(await readiness(nodes[0])).toMatchObject({ status: 200, body: { status: 'ok', checks: { redis: 'off' } } })
})

test('[SEQ3] a node that has no member of a channel is told nothing of it', async () => {
  const redis = await startRedis()
  const { nodes } = await startNodes(3, { redisUrl: redis.url })
  const [first, second, third] = nodes as unknown as [TestNode, TestNode, TestNode]
  const [ann, ben, cyd] = [await connect(first, 'ann'), await connect(second, 'ben'), await connect(third, 'cyd')]
  for (const client of [ann, ben]) await join(client, channel)
  await join(cyd, 'project:other')
  const subscribed = (name: string) => redis.cli('PUBSUB', 'SHARDNUMSUB', `convene:bus:${name}`)
  expect(await subscribed(channel)).toMatch(/\n2$/)
  const before = await heardBy(third)
  for (let n = 0; n < 50; n++) await expectReply(ann, 'task:update', { channel, payload: { n } })
  await expectEvent(ben, 'task:update', ({ payload }) => payload.n === 49)
  // What is told after it, over the same connections, has come.
  await expectReply(ann, 'channel:join', { channel: 'project:other' })
  await expectReply(ann, 'task:update', { channel: 'project:other', payload: { last: true } })
  await expectEvent(cyd, 'task:update', ({ payload }) => payload.last === true)
  const heard = (await heardBy(third)) - before
  expect(heard).toBeGreaterThan(0)
  expect(heard).toBeLessThan(10)
  await expectReply(ben, 'channel:leave', { channel })
  await until('the node has unsubscribed', async () => /\n1$/.test(await subscribed(channel)))
})

test('[LIFE2] a revocation reaches sessions on other nodes, with Redis and without', async () => {
  const redis = await startRedis()
  const { nodes } = await startNodes(2, { redisUrl: redis.url })
  const ann = await connect(nodes[1], 'ann')
  const gone = ended(ann)
  expect((await call(nodes[0], 'POST', '/api/v1/users/ann/revoke', {})).status).toBe(200)
  expect(await gone).toBe('io server disconnect')
  await redis.kill9()
  await untilReadiness(nodes[0], 'degraded')
  const token = tokenFor('ben')
  const ben = await connect(nodes[1], 'ben', { token })
  const left = ended(ben)
  expect((await call(nodes[0], 'POST', '/api/v1/users/ben/revoke', {})).status).toBe(200)
  expect(await left).toBe('io server disconnect')
  for (const node of nodes) {
    await expect(connect(node, 'ben', { token })).rejects.toMatchObject({ data: { code: 'revoked' } })
    expect(await readiness(node)).toMatchObject({ status: 200, body: { status: 'degraded' } })
  }
})

test('[FACT3] with Redis away, nobody removed on one node is delivered more on another', async () => {
  const redis = await startRedis()
  const { nodes } = await startNodes(2, { redisUrl: redis.url, access: 'members' })
  for (const userId of ['ann', 'ben']) {
    await call(nodes[0], 'PUT', `/api/v1/channels/${channel}/members/${userId}`, { role: 'editor' })
  }
  const [ann, ben] = [await connect(nodes[0], 'ann'), await connect(nodes[1], 'ben')]
  for (const client of [ann, ben]) await join(client, channel)
  await redis.kill9()
  await untilReadiness(nodes[1], 'degraded')
  await expectReply(ann, 'task:update', { channel, payload: { before: true } })
  expect((await call(nodes[0], 'DELETE', `/api/v1/channels/${channel}/members/ben`)).status).toBe(200)
  await expectReply(ann, 'task:update', { channel, payload: { secret: true } })
  // [FACT2] By then his node need not know yet; the store does.
  const late = await ben.socket.emitWithAck('task:update', { channel, payload: { late: true } })
  expect(late).toMatchObject({ ok: false })
  await expectEvent(ben, 'channel:left', () => true)
  const { events } = await expectReply<{ events: Envelope[] }>(ann, 'channel:history', { channel, after: 0 })
  const seq = events.find(({ type }) => type === 'member:removed')?.seq ?? 0
  expect(factsOf(ben, channel).filter((fact) => fact.seq > seq)).toEqual([])
  expect(factsOf(ben, channel).map(({ payload }) => payload)).toContainEqual({ before: true })
  expect(events.map(({ payload }) => payload)).not.toContainEqual({ late: true })
})

test('[SEQ5] a log that becomes another one under its members has them start over', async () => {
  const { nodes, database } = await startNodes(2, { headCheckMs: 200 })
  const ann = await connect(nodes[0], 'ann')
  const { epoch, head } = await join(ann, channel)
  await expectReply(ann, 'task:update', { channel, payload: {} })
  const gone = ended(ann)
  await postgres.query(`update channels set epoch = 'restored' where address = '${channel}'`, database)
  expect(await gone).toBe('transport close')
  const again = await connect(nodes[1], 'ann')
  expect(await join(again, channel, { since: { epoch, seq: head + 1 } })).toMatchObject({
    epoch: 'restored',
    recovered: false,
    reason: 'epoch_changed',
  })
  await expectReply(again, 'task:update', { channel, payload: {} })
})

test('[CH2] what an embedding app or the emitter emits to a room reaches its members on every node', async () => {
  const redis = await startRedis()
  const { nodes } = await startNodes(2, { redisUrl: redis.url })
  const clients = [await connect(nodes[0], 'ann'), await connect(nodes[1], 'ben')]
  for (const client of clients) await join(client, channel)
  const stranger = await connect(nodes[1], 'cyd')
  nodes[0].server.io.to(channel).emit('from:app', { n: 1 })
  const publisher = createClient({ url: redis.url })
  await publisher.connect()
  cleanup(() => publisher.destroy())
  new Emitter(publisher, { key: 'convene:socket.io' }).to(channel).emit('from:emitter', { n: 2 })
  for (const client of clients) {
    expect(await expectEvent(client, 'from:app')).toEqual({ n: 1 })
    expect(await expectEvent(client, 'from:emitter')).toEqual({ n: 2 })
  }
  expect(stranger.received.filter(({ event }) => event.startsWith('from:'))).toEqual([])
})

test('[LIFE2] [SEQ5] a revocation told while the log that tells of it became another one takes effect all the same', async () => {
  const { nodes, database } = await startNodes(2, { headCheckMs: 1000 })
  await call(nodes[0], 'POST', '/api/v1/users/zoe/revoke', {})
  const clients = [await connect(nodes[0], 'ann'), await connect(nodes[1], 'ann')]
  const over = clients.map(ended)
  await postgres.query(`update channels set epoch = 'restored'`, database)
  expect((await call(nodes[0], 'POST', '/api/v1/users/ann/revoke', {})).status).toBe(200)
  await Promise.all(over)
})

test('[FACT2] somebody publishes on while other nodes change other members', async () => {
  const { nodes } = await startNodes(3, { rateFactsPerSecond: 100_000 })
  const ann = await connect(nodes[0], 'ann')
  await join(ann, channel)
  let stopped = false
  let changed = 0
  const imports = [1, 2].flatMap((node) =>
    Array.from({ length: 5 }, async (_, lane) => {
      for (let i = 0; !stopped; i++, changed++) {
        const path = `/api/v1/channels/${channel}/members/u${node}-${lane}-${i}`
        await call(nodes[node] as TestNode, 'PUT', path, { role: 'editor' })
      }
    }),
  )
  await until('members are being changed', () => changed > 20)
  for (let n = 0; n < 30; n++) await expectReply(ann, 'task:update', { channel, payload: { n } })
  // The store was asked again for no more than a few of them: it does not wait for the others to be done.
  expect(changed).toBeLessThan(30 * 40)
  stopped = true
  await Promise.all(imports)
})

test('[SEQ3] a fact whose first answer was lost is not delivered to its author beside the second', async () => {
  const proxy = await startTcpProxy({ to: postgres.port })
  const database = new URL(await postgres.createDatabase())
  database.port = String(proxy.port)
  const node = await startNode({ port: 0, jwtSecrets: [SECRET], databaseUrl: database.href, logLevel: 'silent' })
  const ann = await connect(node, 'ann')
  const echo = await connect(node, 'ben')
  for (const client of [ann, echo]) await join(client, channel)
  await expectReply(ann, 'task:update', { channel, payload: {} })
  const body = { channel, operationId: 'op-1', payload: { once: true } }
  // Long enough to see that it is stored before its answer has come.
  proxy.delay(400)
  const first = ask(ann, 'task:update', body)
  const isStored = `select 1 from events where operation_id = 'op-1'`
  await until('it is stored', async () => (await postgres.query(isStored, database.pathname.slice(1))).length > 0)
  proxy.reset()
  proxy.delay(0)
  expect(await first).toMatchObject({ ok: false, error: { code: 'unavailable' } })
  expect(await expectReply(ann, 'task:update', body)).toMatchObject({ duplicate: true })
  await expectEvent(echo, 'task:update', ({ operationId }) => operationId === 'op-1')
  await expectReply(ann, 'ping', {})
  expect(factsOf(ann, channel)).toEqual([])
})

test('a server that is closed while it starts does not start', async () => {
  const databaseUrl = await postgres.createDatabase()
  const server = createServer({ port: 0, jwtSecrets: [SECRET], databaseUrl, logLevel: 'silent' })
  const listening = expect(server.listen()).rejects.toMatchObject({ code: 'unavailable' })
  await server.close()
  await listening
})

test('a start that fails leaves nothing behind', async () => {
  const url = await postgres.createDatabase()
  const database = new URL(url).pathname.slice(1)
  const redis = await startRedis()
  await startNode({ port: 0, jwtSecrets: [SECRET], databaseUrl: url, logLevel: 'silent' }).then(({ server }) =>
    server.close(),
  )
  await postgres.query(
    `create role lesser login; grant all on all tables in schema public to lesser; revoke select on channels from lesser`,
    database,
  )
  const lesser = new URL(url)
  lesser.username = 'lesser'
  const given = {
    port: 0,
    jwtSecrets: [SECRET],
    databaseUrl: lesser.href,
    redisUrl: redis.url,
    logLevel: 'silent' as const,
  }
  await expect(createServer(given).listen()).rejects.toThrow()
  const connections = `select count(*) from pg_stat_activity where application_name = 'convene' and datname = '${database}'`
  await until('Postgres has nobody connected', async () => (await postgres.query(connections))[0]?.count === '0')
  await until('Redis has nobody connected', async () => (await redis.cli('CLIENT', 'LIST')).split('\n').length === 1)
  expect(await redis.cli('KEYS', '*')).toBe('')
})

test('nodes tell each other how much they serve', async () => {
  const redis: RedisServer = await startRedis()
  const { nodes } = await startNodes(2, { redisUrl: redis.url })
  await connect(nodes[1], 'ann')
  await until('the first node knows of it', async () => {
    const stats = (await (await call(nodes[0], 'GET', '/stats')).json()) as {
      nodes: Record<string, { sessions: number }>
    }
    return stats.nodes.n1?.sessions === 0 && stats.nodes.n2?.sessions === 1
  })
})
