// A client on plain WebSocket as the rest of the house sees it, whatever its dialect does.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { ConveneError } from '../../../src/protocol/errors.ts'
import type { Door, PlainDialect } from '../../../src/server/dialects/dialect.ts'
import { createMetrics } from '../../../src/server/observe/metrics.ts'
import { Session } from '../../../src/server/session/session.ts'
import { PlainClient } from '../../../src/server/transports/plain-client.ts'
import { PlainConnection } from '../../../src/server/transports/plain-connection.ts'
import { UnderWay } from '../../../src/server/transports/under-way.ts'
import { cleanup } from '../../support/cleanup.ts'
import { openPlain } from '../../support/plain.ts'

const defect = new Error('a defect')
const event = { event: 'task:update', body: {}, as: <T>(write: (event: string, body: unknown) => T) => write('', {}) }

function doorOf(closing: Door['closing']): Door {
  return { paths: ['/x'], counts: 'people', letsInNobody: false, sessionId: () => 'x', speak: () => PROPER, closing }
}

const PROPER: PlainDialect = {
  hear: () => [],
  tell: ({ event }) => [JSON.stringify({ type: event })],
  garbled: ({ code }) => [JSON.stringify({ type: 'GARBLED', code })],
}

/** Both ends of a plain WebSocket, the server's with this dialect. */
async function ends(dialect: PlainDialect, closing: Door['closing'] = () => undefined) {
  const http = createServer()
  const wss = new WebSocketServer({ noServer: true })
  const failures: unknown[] = []
  const arrived = new Promise<[WebSocket, Duplex]>((resolve) => {
    http.on('upgrade', (request, pipe, head) => wss.handleUpgrade(request, pipe, head, (ws) => resolve([ws, pipe])))
  })
  http.listen(0, '127.0.0.1')
  cleanup(() => http.close())
  await new Promise((resolve) => http.once('listening', resolve))
  const client = await openPlain({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }, '/')
  const [ws, pipe] = await arrived
  const connection = new PlainConnection(ws, pipe, {
    id: 'x',
    address: '',
    door: doorOf(closing),
    dialect,
    maxOutboundBytes: 1_000_000,
    slow() {},
    failed: (error) => failures.push(error),
  })
  return { connection, client, failures, ws, pipe }
}

function listen({ connection, ws }: Awaited<ReturnType<typeof ends>>, dialect: PlainDialect): void {
  const metrics = createMetrics('test')
  cleanup(() => metrics.stop())
  const limits = { maxChannels: 10, factsPerSecond: 100, signalsPerSecond: 100 }
  const verified = { identity: { id: 'ann', claims: {} }, expiresAt: Number.MAX_SAFE_INTEGER }
  const session = new Session(connection, verified, limits)
  const serve = async (_session: Session, _event: unknown, _body: unknown, reply?: (answer: { ok: true }) => void) =>
    reply?.({ ok: true })
  new PlainClient(ws, connection, dialect, session, { maxMessageBytes: 65_536, metrics, serve }, undefined).begin()
}

const fail = () => {
  throw defect
}

test('[REQ4] a dialect that throws as it tells ends its own client, who comes back, and no delivery', async () => {
  const { connection, client, failures } = await ends({ ...PROPER, tell: fail })
  connection.deliver([event])
  connection.send('x', {})
  expect(connection.measure(event)).toBe(0)
  expect(failures).toEqual([defect, defect, defect])
  // Nobody is told to stay away.
  expect((await client.closed).code).toBe(1006)
})

test.each<[string, Partial<PlainDialect>]>([
  ['begins', { begin: fail }],
  ['hears', { hear: fail }],
  ['says that it could not read', { garbled: fail }],
  ['answers', { hear: () => [{ ask: 'ping', body: {}, answered: fail }] }],
])('[REQ4] so does one that throws as it %s', async (_when, broken) => {
  const dialect = { ...PROPER, ...broken }
  const both = await ends(dialect)
  listen(both, dialect)
  both.client.say('{}')
  both.client.say('garbage')
  expect((await both.client.closed).code).toBe(1006)
  expect(both.failures).toContain(defect)
})

test('[REQ1] what is nested too deeply, too large or no JSON is not heard, and its client is told', async () => {
  const heard: unknown[] = []
  const dialect = {
    ...PROPER,
    hear(frame: unknown) {
      heard.push(frame)
      return []
    },
  }
  const both = await ends(dialect)
  listen(both, dialect)
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
  for (const text of [nested(34), `"${'é'.repeat(32_768)}"`, '{', nested(33), `"${'x'.repeat(65_534)}"`, '7']) {
    both.client.say(text)
  }
  await both.client.expectCount(3, ({ type }) => type === 'GARBLED')
  expect(both.client.received.map(({ code }) => code)).toEqual(['invalid', 'too_large', 'invalid'])
  await expect.poll(() => heard.length).toBe(3)
  expect(heard.at(-1)).toBe(7)
})

test('what is delivered together goes out in one write, in its order', async () => {
  const { connection, client, pipe } = await ends(PROPER)
  let writes = 0
  const socket = pipe as Duplex & { _writev: (...args: unknown[]) => void; _write: (...args: unknown[]) => void }
  for (const name of ['_write', '_writev'] as const) {
    const original = socket[name].bind(socket)
    socket[name] = (...args: unknown[]) => {
      writes++
      original(...args)
    }
  }
  connection.deliver(Array.from({ length: 50 }, (_, n) => ({ ...event, event: `e${n}` })))
  await client.expect('e49')
  expect(client.received.map(({ type }) => type)).toEqual(Array.from({ length: 50 }, (_, n) => `e${n}`))
  expect(writes).toBe(1)
})

test('[LIFE4] pongs for a client that does not read are left out, and it is not cut for them', async () => {
  const { connection, client, pipe } = await ends(PROPER)
  client.ws.pause()
  const data = Buffer.alloc(125)
  // 12 MB, far more than a kernel keeps.
  for (let batch = 0; batch < 100; batch++) {
    for (let n = 0; n < 1000; n++) connection.pong(data)
    await new Promise((resolve) => setImmediate(resolve))
    expect(pipe.writableLength).toBeLessThan(20_000)
  }
  expect(connection.open).toBe(true)
})

test('[ERR1] a reason too long for a close frame is cut, not within a character', async () => {
  for (const letter of ['x', 'é', '€', '😀', 'a😀']) {
    const { connection, client } = await ends(PROPER, () => ({ code: 4999, reason: letter.repeat(120) }))
    connection.close(new ConveneError('internal', 'x'))
    const { code, reason } = await client.closed
    expect(code).toBe(4999)
    expect(reason.length).toBeGreaterThan(20)
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123)
  }
})

test('[ERR1] what the family does not close in its own way is closed as the protocol has it', async () => {
  for (const [code, close] of [
    ['draining', 4001],
    ['token_expired', 4000],
    ['rate_limited', 4008],
    ['revoked', 4501],
    ['internal', 4002],
    ['unavailable', 4002],
    ['not_found', 4502],
  ] as const) {
    const { connection, client } = await ends(PROPER)
    connection.close(new ConveneError(code, 'because'))
    await client.expect('error')
    expect([code, await client.closed]).toEqual([code, { code: close, reason: 'because' }])
    expect(connection.sentAway).toBe(close >= 4500)
  }
})

test('what is under way is much from 64 requests or 256 KiB on, and not any more when some were served', async () => {
  const changes: boolean[] = []
  const underWay: UnderWay = new UnderWay(() => changes.push(underWay.isMuch))
  const served: (() => void)[] = []
  const add = (chars: number) => underWay.add(new Promise<void>((resolve) => served.push(resolve)), chars)
  for (let n = 0; n < 63; n++) add(10)
  expect([underWay.isMuch, changes]).toEqual([false, []])
  add(10)
  expect(changes).toEqual([true])
  const none = underWay.none()
  for (const serve of served.splice(0)) serve()
  await none
  add(262_145)
  expect(changes).toEqual([true, false, true])
  served[0]?.()
  await underWay.none()
  expect(changes).toEqual([true, false, true, false])
})
