// The way in on plain WebSocket, before anybody speaks a word.
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect as tcp } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { createServer } from '../../../src/server/server.ts'
import { cleanup } from '../../support/cleanup.ts'
import { connect } from '../../support/connect.ts'
import { as, openPlain, type PlainOptions, plainTo } from '../../support/plain.ts'
import { startPostgres } from '../../support/postgres-server.ts'
import { SECRET, startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { until } from '../../support/until.ts'
import { claims, keyPair, keyToken, publicJwk } from '../auth/issuers.ts'

const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const

/** What a handshake is answered with: its status, and its headers. */
function answerOf(server: { url: string }, path: string, options: PlainOptions = {}) {
  const { ws } = plainTo(server, path, options)
  return new Promise<{ status: number; headers: IncomingMessage['headers'] }>((resolve, reject) => {
    ws.once('open', () => resolve({ status: 101, headers: {} }))
    ws.once('unexpected-response', (_request, response) =>
      resolve({ status: response.statusCode ?? 0, headers: response.headers }),
    )
    ws.once('error', reject)
  })
}

const KEYS = keyPair('rsa')

/** An issuer whose keys take their time: they come, if ever, when it is told. And a token that only they could prove. */
async function slowIssuer(): Promise<{ url: string; token: string; asked: () => number; answer: () => void }> {
  const jwk = await publicJwk(KEYS, 'k')
  const waiting: (() => void)[] = []
  let asked = 0
  const http = createHttpServer((_request, response) => {
    asked++
    waiting.push(() => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })))
  })
  const port = await listen(http)
  return {
    url: `http://127.0.0.1:${port}/jwks`,
    token: await keyToken(claims(), KEYS.privateKey, { alg: 'RS256', kid: 'k' }),
    asked: () => asked,
    answer: () => {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

async function listen(http: Server): Promise<number> {
  http.listen(0, '127.0.0.1')
  cleanup(() => {
    http.closeAllConnections()
    http.close()
  })
  await new Promise((resolve) => http.once('listening', resolve))
  return (http.address() as AddressInfo).port
}

describe.each(DOORS)('%s', (path) => {
  test('[CON7] an origin that is not allowed gets 403, with a token too; an allowed one or none comes in', async () => {
    const server = await startServer({ allowedOrigins: ['https://app.example.com'] })
    const from = async (origin?: string) =>
      (await answerOf(server, path + as('ann'), origin === undefined ? {} : { headers: { origin } })).status
    expect(await from('https://app.example.com')).toBe(101)
    expect(await from()).toBe(101)
    for (const origin of [
      'https://evil.example.com',
      'http://app.example.com',
      'https://app.example.com:8443',
      'https://app.example.com.evil.example',
      'https://APP.example.com',
      'null',
      '',
    ])
      expect([origin, await from(origin)]).toEqual([origin, 403])
  })

  test('[CON7] with nothing set, pages of this machine are allowed, and no other', async () => {
    const server = await startServer()
    const from = async (origin: string) => (await answerOf(server, path + as('ann'), { headers: { origin } })).status
    expect(await from('http://localhost:3000')).toBe(101)
    expect(await from('http://127.0.0.1:5173')).toBe(101)
    expect(await from('http://localhost.evil.example')).toBe(403)
  })

  test('A18 too many connections of one address: 429, and when to come back', async () => {
    const server = await startServer({ rateConnectionsPerMinute: 3 })
    const statuses = []
    for (let n = 0; n < 3; n++) statuses.push((await answerOf(server, path + as('ann'))).status)
    expect(statuses).toEqual([101, 101, 101])
    const { status, headers } = await answerOf(server, path + as('ann'))
    expect(status).toBe(429)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(headers.connection).toBe('close')
  })

  test('[LIFE3] while it drains: 503, and when to come back', async () => {
    // A client that does not close holds the drain up.
    const server = await startServer({ drainMs: 6000 })
    const ann = await openPlain(server, path + as('ann'))
    ann.ws.pause()
    const closed = server.server.close()
    await until('it drains', async () => (await fetch(`${server.url}/readyz`)).status === 503)
    const { status, headers } = await answerOf(server, path + as('ben'))
    expect([status, headers['retry-after']]).toEqual([503, '1'])
    ann.ws.resume()
    expect((await ann.closed).code).toBe(4001)
    await closed
  })

  test('[CON6] who is not let in within CONNECT_TIMEOUT_MS, for the issuer does not answer, is let go', async () => {
    const issuer = await slowIssuer()
    const server = await startServer({ jwksUrl: issuer.url, connectTimeoutMs: 300 })
    const { ws } = plainTo(server, `${path}?token=${issuer.token}`)
    const error = await new Promise<Error>((resolve) => ws.once('error', resolve))
    expect(error.message).toContain('socket hang up')
    expect(issuer.asked()).toBe(1)
    issuer.answer()
    // What was begun for it ends, and harms nobody.
    await openPlain(server, path + as('ann'))
    expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ connections: 1 })
  })

  test('[ERR1] one connection too many of a person is accepted, and closed with 4009: come back', async () => {
    const server = await startServer({ maxConnectionsPerUser: 1 })
    await openPlain(server, path + as('ann'))
    const { closed, ws } = plainTo(server, path + as('ann'))
    await new Promise((resolve) => ws.once('open', resolve))
    expect(await closed).toEqual({ code: 4009, reason: 'Too many connections' })
    await openPlain(server, path + as('ben'))
  })

  test('facts 1.6: Engine.IO ends no upgrade that takes its time to authenticate', async () => {
    const issuer = await slowIssuer()
    const server = await startServer({ jwksUrl: issuer.url, connectTimeoutMs: 20_000 })
    const { ws } = plainTo(server, `${path}?token=${issuer.token}`)
    const opened = new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject))
    await until('the issuer is asked', () => issuer.asked() === 1)
    // Longer than the second that Engine.IO grants what it does not know.
    await new Promise((resolve) => setTimeout(resolve, 1500))
    issuer.answer()
    await opened
  })

  test('what was sent behind the handshake, before its answer, is heard once it is in', async () => {
    const server = await startServer()
    const head = `GET ${path}${as('ann')} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`
    const socket = tcp(server.port, '127.0.0.1')
    cleanup(() => socket.destroy())
    let text = ''
    socket.on('data', (data) => {
      text += data.toString('latin1')
    })
    // A ping of the WebSocket's own, with "hi" in it.
    socket.write(Buffer.concat([Buffer.from(head), Buffer.from([0x89, 0x82, 0, 0, 0, 0, 0x68, 0x69])]))
    await until('it is answered', () => text.includes('\x8a\x02hi'))
    expect(text.indexOf('101 Switching Protocols')).toBeGreaterThan(0)
  })
})

test('[CON6] nor is one kept that was let in, and of which the store says nothing', async () => {
  const postgres = await startPostgres()
  const server = await startServer({ databaseUrl: await postgres.createDatabase(), connectTimeoutMs: 1000 })
  await (await openPlain(server, `/ws${as('ben')}`)).expect('CONNECTION_ESTABLISHED')
  await postgres.freeze()
  const late = plainTo(server, `/ws${as('ann')}`)
  await new Promise((resolve) => late.ws.once('open', resolve))
  expect((await late.closed).code).toBe(1006)
  expect(late.received).toEqual([])
  await postgres.thaw()
  await (await openPlain(server, `/ws${as('ann')}`)).expect('CONNECTION_ESTABLISHED')
  await until('what was begun for it has ended', async () => {
    const health = (await (await fetch(`${server.url}/health`)).json()) as { connections: number }
    return health.connections === 2
  })
})

test.each([
  [
    'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: x\r\n\r\n',
    400,
  ],
  ['GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 400],
  [
    'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: no\r\nSec-WebSocket-Version: 13\r\n\r\n',
    400,
  ],
  ['POST /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n', 405],
  ['GET /ws/other HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 404],
  ['GET //ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 404],
  ['GET /toString HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n', 404],
])('an upgrade that is none is answered and let go: %j', async (request, status) => {
  const server = await startServer()
  const socket = tcp(server.port, '127.0.0.1')
  cleanup(() => socket.destroy())
  let text = ''
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const [line, ...rest] = request.split('\r\n')
  socket.write([line?.replace('/ws HTTP', `/ws${as('ann')} HTTP`), ...rest].join('\r\n'))
  await closed
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
})

test('on an app’s own HTTP server the doors are ours, and every other path of its upgrades stays the app’s', async () => {
  const http = createHttpServer((_request, response) => response.end('mine'))
  const convene = createServer({
    jwtSecrets: [SECRET],
    databaseUrl: 'sqlite::memory:',
    logLevel: 'silent',
    connectTimeoutMs: 300,
  })
  const own = new WebSocketServer({ noServer: true })
  http.on('upgrade', (request, socket, head) => {
    if (!request.url?.startsWith('/mine')) return
    // Slower than any timeout of ours.
    setTimeout(() => own.handleUpgrade(request, socket, head, (ws) => ws.send('{"type":"MINE"}')), 1500)
  })
  await convene.attach(http)
  cleanup(() => convene.close())
  const port = await listen(http)
  const url = `http://127.0.0.1:${port}`
  const mine = await openPlain({ url }, '/mine/ws')
  await mine.expect('MINE')
  await (await openPlain({ url }, `/ws${as('ann')}`)).expect('CONNECTION_ESTABLISHED')
  await connect({ url }, 'ann')
  await convene.close()
  // It has gone from the app's server, whose own goes on.
  expect((await answerOf({ url }, `/ws${as('ann')}`)).status).toBe(503)
  expect(mine.ws.readyState).toBe(mine.ws.OPEN)
  await (await openPlain({ url }, '/mine/again')).expect('MINE')
})

test('behind proxies an address is the one that the outermost of them saw', async () => {
  const server = await startServer({ rateConnectionsPerMinute: 1, trustProxy: 1 })
  const from = async (address: string) =>
    (await answerOf(server, `/ws${as('ann')}`, { headers: { 'x-forwarded-for': address } })).status
  expect([await from('203.0.113.1'), await from('203.0.113.2'), await from('9.9.9.9, 203.0.113.1')]).toEqual([
    101, 101, 429,
  ])
})

test('[CON2] a token that ended or does not verify: 401 where the family knows it, else closed with a code', async () => {
  const server = await startServer()
  const ended = `?token=${tokenFor('ann', { exp: 1 })}`
  const forged = `?token=${tokenFor('ann', {}, 'another-secret-that-is-long-enough-too')}`
  expect((await answerOf(server, `/api/community/ws${ended}`)).status).toBe(401)
  expect((await answerOf(server, `/api/community/ws${forged}`)).status).toBe(401)
  expect((await answerOf(server, '/api/community/ws')).status).toBe(401)
  expect((await plainTo(server, `/ws${ended}`).closed).code).toBe(4000)
  expect((await plainTo(server, `/ws${forged}`).closed).code).toBe(4500)
  expect(await plainTo(server, '/ws').closed).toEqual({ code: 4500, reason: 'Authentication required' })
})
