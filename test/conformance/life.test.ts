import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { keyPair, keyToken, publicJwk } from '../server/auth/issuers.ts'
import { cleanup } from '../support/cleanup.ts'
import { clientOf, connect, expectEvent, expectRefusal, expectReply, join, TRANSPORTS } from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { RawClient } from '../support/raw-client.ts'
import type { TestNode } from '../support/start-node.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'project:p1'
const SHUTDOWN = 'Server is shutting down. You will be reconnected automatically.'

function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds
}

test('[LIFE1] a session is warned and closed 10 s after its token has ended; auth:refresh moves the end, to sooner as well', async () => {
  const server = await startServer()
  const [exp, later] = [inSeconds(5), inSeconds(3600)]
  const token = (user: string, ends: number) => tokenFor(user, { exp: ends })
  // All at once, for their wait is the same.
  await Promise.all(
    TRANSPORTS.map(async (transport) => {
      const ends = await connect(server, 'ann', { transport, token: token('ann', exp) })
      const stays = await connect(server, 'ben', { transport, token: token('ben', exp) })
      const shortened = await connect(server, 'cat', { transport, token: token('cat', later) })
      await join(stays, channel)
      const closed = [ends, shortened].map(
        ({ socket }) => new Promise<string>((resolve) => socket.once('disconnect', resolve)),
      )
      expect(await expectReply(shortened, 'auth:refresh', { token: token('cat', exp) })).toEqual({
        ok: true,
        expiresAt: exp * 1000,
      })
      for (const session of [ends, stays, shortened]) {
        expect(await expectEvent(session, 'auth:expiring')).toEqual({ expiresAt: exp * 1000 })
      }
      const reply = await expectReply(stays, 'auth:refresh', { token: token('ben', later) })
      expect(reply).toEqual({ ok: true, expiresAt: later * 1000 })
      // Closed so that a stock client comes back by itself, with a new token.
      for (const reason of await Promise.all(closed)) expect(['transport close', 'transport error']).toContain(reason)
      expect(Date.now()).toBeGreaterThanOrEqual((exp + 10) * 1000)
      for (const session of [ends, shortened]) {
        expect(await expectEvent(session, 'error')).toMatchObject({ code: 'token_expired', retryable: true })
      }
      await expectReply(stays, 'task:update', { channel, payload: {} })
      for (const session of [ends, stays, shortened]) {
        expect(session.received.filter(({ event }) => event === 'auth:expiring')).toHaveLength(1)
      }
    }),
  )
})

describe.each(TRANSPORTS)('[LIFE1] over %s', (transport) => {
  test('auth:refresh takes a valid token of the same identity only', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    expect(await expectRefusal(ann, 'auth:refresh', { token: tokenFor('ben') })).toMatchObject({ code: 'forbidden' })
    expect(await expectRefusal(ann, 'auth:refresh', { token: 'garbage' })).toMatchObject({ code: 'unauthenticated' })
    expect(await expectRefusal(ann, 'auth:refresh', { token: tokenFor('ann', { exp: inSeconds(-5) }) })).toMatchObject({
      code: 'token_expired',
    })
    expect(await expectRefusal(ann, 'auth:refresh', {})).toMatchObject({ code: 'invalid' })
    await expectReply(ann, 'task:update', { channel, payload: {} })
  })

  test('a token that is good for longer than a timer can wait does not end at once', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport, token: tokenFor('ann', { exp: inSeconds(90 * 86_400) }) })
    await join(ann, channel)
    await expectReply(ann, 'ping', {})
    expect(ann.received.filter(({ event }) => event === 'auth:expiring')).toEqual([])
    expect(ann.socket.connected).toBe(true)
  })
})

describe.each(TRANSPORTS)('[LIFE3] over %s', (transport) => {
  test('a server that closes tells everybody when to come back, and closes so that they do by themselves', async () => {
    const server = await startServer()
    const people = await Promise.all(['ann', 'ben', 'cat'].map((name) => connect(server, name, { transport })))
    const reasons = people.map(({ socket }) => new Promise<string>((resolve) => socket.once('disconnect', resolve)))
    await Promise.all([server.close(), server.close()])
    for (const person of people) {
      const told = await expectEvent<{ message: string; reconnectInMs: number }>(person, 'server:shutdown')
      expect(told).toEqual({ message: SHUTDOWN, reconnectInMs: expect.any(Number) })
      expect(told.reconnectInMs).toBeGreaterThanOrEqual(0)
    }
    // A stock client comes back by itself after these, and never after 'io server disconnect'.
    for (const reason of await Promise.all(reasons)) expect(['transport close', 'transport error']).toContain(reason)
  })

  test('what is stored has been answered: facts in flight when it closes', async () => {
    const { url: databaseUrl } = await createDatabase()
    const server = await startServer({ databaseUrl, rateFactsPerSecond: 100_000 })
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    let acknowledged = 0
    const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
    const first = new Promise<void>((resolve) => {
      for (let i = 0; i < 2000; i++) {
        ann.socket.emit('task:update', { channel, payload: { i } }, ({ ok }: { ok: boolean }) => {
          if (ok) acknowledged++
          resolve()
        })
      }
    })
    await first
    await server.close()
    await gone
    const again = await startServer({ databaseUrl })
    const ben = await connect(again, 'ben', { transport })
    expect((await join(ben, channel)).head).toBe(acknowledged)
    expect(acknowledged).toBeGreaterThan(0)
  })
})

test.each(TRANSPORTS)(
  '[LIFE3] a handshake that was under way when the drain began is refused as well (%s)',
  async (transport) => {
    // An issuer that takes its time over its keys, so that the handshake does too.
    const pair = keyPair('P-256')
    const keys = { keys: [await publicJwk(pair, 'k1')] }
    let asked: (answer: () => void) => void = () => {}
    const asking = new Promise<() => void>((resolve) => {
      asked = resolve
    })
    const issuer = createServer((_request, response) => asked(() => response.end(JSON.stringify(keys))))
    cleanup(() => issuer.close())
    await once(issuer.listen(0, '127.0.0.1'), 'listening')
    const { port } = issuer.address() as AddressInfo
    const server = await startServer({ jwksUrl: `http://127.0.0.1:${port}/`, transports: [transport] })
    const token = await keyToken({ sub: 'late', exp: inSeconds(600) }, pair.privateKey, { alg: 'ES256', kid: 'k1' })
    const late = clientOf(server.url, { transport, token })
    const outcome = new Promise((resolve) => {
      late.once('connect', () => resolve('connected'))
      late.once('connect_error', resolve)
    })
    late.connect()
    const answer = await asking
    const closing = server.server.close()
    answer()
    expect(await outcome).toMatchObject({
      message: 'Server is draining',
      data: { code: 'draining', retryable: true, retryAfterMs: expect.any(Number) },
    })
    await closing
  },
)

test('[LIFE3] while it drains /readyz says 503, and newcomers are refused with draining and when to come back', async () => {
  const { nodes } = await startServer({ drainMs: 6000, maxOutboundBytes: 256 * 1024 * 1024 })
  // Asked itself: a proxy sends newcomers to another one.
  const [node] = nodes as [TestNode]
  // One that does not read what was sent to it keeps the server draining until the deadline.
  const deaf = await RawClient.open(node)
  deaf.send(`40${JSON.stringify({ token: tokenFor('deaf') })}`)
  await deaf.expect(/"connected"/)
  deaf.pause()
  const text = 'x'.repeat(60_000)
  await Promise.all(
    Array.from({ length: 700 }, () => node.server.publish('user:deaf', { type: 'a:b', payload: { text } })),
  )
  // So much is handed out over many turns.
  for (let i = 0; i < 700; i++) await turn()
  expect((await fetch(`${node.url}/readyz`)).status).toBe(200)
  const closing = node.server.close()
  const redis = nodes.length > 1 ? 'ok' : 'off'
  const readyz = await fetch(`${node.url}/readyz`)
  expect(readyz.status).toBe(503)
  expect(await readyz.json()).toEqual({ status: 'unavailable', checks: { store: 'ok', redis, draining: true } })
  const late = clientOf(node, { token: tokenFor('late') })
  const refused = new Promise<{ message: string; data: unknown }>((resolve) =>
    late.once('connect_error', resolve as never),
  )
  late.connect()
  const { message, data } = await refused
  expect(message).toBe('Server is draining')
  expect(data).toMatchObject({ code: 'draining', retryable: true, retryAfterMs: expect.any(Number) })
  const publish = await fetch(`${node.url}/broadcast`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'task:update', projectId: 'p1', payload: {} }),
  })
  expect(publish.status).toBe(503)
  expect(await publish.json()).toMatchObject({ success: false, error: { code: 'draining', retryable: true } })
  await closing
  await expect(fetch(`${node.url}/readyz`)).rejects.toThrow()
})
