import { connect as tcp } from 'node:net'
import { io } from 'socket.io-client'
import { describe, expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import {
  type ConnectOptions,
  clientOf,
  connect,
  expectNothing,
  expectReply,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { SECRET, startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

interface Refused {
  readonly message: string
  readonly data: { code: string; retryable: boolean; retryAfterMs?: number }
}

/** Connects, and expects to be refused. */
async function refused(server: TestServer, options: ConnectOptions): Promise<Refused> {
  const socket = clientOf(server, options)
  const error = await new Promise<Refused>((resolve, reject) => {
    socket.once('connect_error', (thrown) => resolve(thrown as unknown as Refused))
    socket.once('connected', () => reject(new Error('expected a refusal, but was connected')))
    socket.connect()
  })
  return { message: error.message, data: error.data }
}

const past = Math.floor(Date.now() / 1000) - 60

describe.each(TRANSPORTS)('connecting over %s', (transport) => {
  test('[CON1] the token is taken from auth.token, else from the Authorization header', async () => {
    const server = await startServer()
    const ann = await connect(server, '-', { transport, token: tokenFor('ann') })
    expect(ann.connected.userId).toBe('ann')
    const extraHeaders = { authorization: `Bearer ${tokenFor('ben')}` }
    const socket = clientOf(server, { transport, extraHeaders })
    const connected = new Promise((resolve) => socket.once('connected', resolve))
    socket.connect()
    expect(await connected).toMatchObject({ userId: 'ben' })
    const both = await connect(server, '-', { transport, token: tokenFor('cat'), extraHeaders })
    expect(both.connected.userId).toBe('cat')
  })

  test('[CON1] A3 never from the query string, and never from a cookie unless NextAuth is configured', async () => {
    const server = await startServer()
    const query = { token: tokenFor('ann') }
    expect(await refused(server, { transport, query })).toMatchObject({ message: 'Authentication required' })
    const extraHeaders = { cookie: `next-auth.session-token=${tokenFor('ann')}; token=${tokenFor('ann')}` }
    expect(await refused(server, { transport, extraHeaders })).toMatchObject({ message: 'Authentication required' })
  })

  test('[CON1] with NextAuth a cookie counts from a page of an allowed origin, and from no other', async () => {
    const server = await startServer({ nextAuth: true, allowedOrigins: ['https://app.example.com'] })
    const cookie = `next-auth.session-token=${tokenFor('ann')}`
    const origin = 'https://app.example.com'
    const socket = clientOf(server, { transport, extraHeaders: { cookie, origin } })
    const connected = new Promise((resolve) => socket.once('connected', resolve))
    socket.connect()
    expect(await connected).toMatchObject({ userId: 'ann' })
    // Not from a program that sends no Origin, nor from another site that rides on the cookie.
    expect((await refused(server, { transport, extraHeaders: { cookie } })).message).toBe('Authentication required')
    const evil = { cookie, origin: 'https://evil.example.com' }
    expect((await refused(server, { transport, extraHeaders: evil })).message).toBe('Origin not allowed')
  })

  test('[CON2] refusals say why, with a code, and whether coming back helps', async () => {
    const server = await startServer({ maxConnectionsPerUser: 1 })
    const say = async (token: string | undefined) => refused(server, { transport, ...(token && { token }) })
    const no = { code: 'unauthenticated', retryable: false }
    expect(await say(undefined)).toEqual({ message: 'Authentication required', data: no })
    expect(await say('garbage')).toEqual({ message: 'Authentication failed', data: no })
    expect(await say(tokenFor('ann', {}, 'another secret, which is long enough too'))).toEqual({
      message: 'Authentication failed',
      data: no,
    })
    expect(await say(tokenFor('ann', { exp: past }))).toEqual({
      message: 'Authentication failed',
      data: { code: 'token_expired', retryable: true },
    })
    expect(await say(tokenFor('', { name: 'nobody' }))).toEqual({ message: 'Invalid token', data: no })
    await connect(server, 'ann', { transport })
    expect(await say(tokenFor('ann'))).toMatchObject({
      message: 'Too many connections',
      data: { code: 'too_many', retryable: true },
    })
  })

  test('[CON2] too many connections from one address are told when to come back', async () => {
    const server = await startServer({ rateConnectionsPerMinute: 2 })
    const from = { transport, localAddress: '127.0.0.1' }
    await connect(server, 'ann', from)
    await connect(server, 'ben', from)
    const { message, data } = await refused(server, { ...from, token: tokenFor('cat') })
    expect(message).toBe('Too many connections')
    expect(data).toMatchObject({ code: 'rate_limited', retryable: true })
    expect(data.retryAfterMs).toBeGreaterThan(0)
  })

  test('[CON3] A15 identity comes from the token: sub else id, name, picture else image', async () => {
    const server = await startServer()
    const both = await connect(server, '-', {
      transport,
      token: tokenFor('ann', {
        id: 'other',
        name: 'Ann',
        picture: 'https://x/p.png',
        image: 'https://x/i.png',
        email: 'a@x',
      }),
    })
    const { presence } = await join(both, 'project:p1', { state: { user: { id: 'spoofed' } } })
    expect(presence.members[0]?.user).toEqual({ id: 'ann', name: 'Ann', image: 'https://x/p.png' })
    const idOnly = await connect(server, '-', {
      transport,
      token: tokenFor(undefined as never, { id: 'ben', image: 'i.png' }),
    })
    expect(idOnly.connected.userId).toBe('ben')
    const spoof = {
      channel: 'project:p1',
      payload: { userId: 'root', user: { id: 'root' } },
      user: { id: 'root' },
      userId: 'root',
    }
    await join(idOnly, 'project:p1')
    await expectReply(idOnly, 'task:update', spoof)
    const { events } = await expectReply<{ events: { user: unknown }[] }>(both, 'channel:history', {
      channel: 'project:p1',
    })
    expect(events[0]?.user).toEqual({ id: 'ben', image: 'i.png' })
  })

  test('[CON4] after the handshake the server greets', async () => {
    const server = await startServer({ serverId: 'node-1' })
    const { connected, socket } = await connect(server, 'ann', { transport })
    expect(connected).toEqual({
      socketId: socket.id,
      userId: 'ann',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      protocol: 1,
      serverId: 'node-1',
      expiresAt: expect.any(Number),
      limits: { maxMessageBytes: 65_536, maxChannels: 100, maxCatchUp: 1000 },
    })
    expect(connected.expiresAt).toBeGreaterThan(Date.now())
  })

  test('[CON7] A2 an Origin that is not allowed is refused; none at all is no browser', async () => {
    const server = await startServer({ allowedOrigins: ['https://good.example.com'] })
    const from = (origin: string) => ({ transport, token: tokenFor('ann'), extraHeaders: { origin } })
    const evil = [
      'https://evil.com',
      'null',
      'https://good.example.com.evil.com',
      'https://evilgood.example.com',
      'http://good.example.com',
      'https://GOOD.example.com',
      'https://good.example.com.',
      'https://good.example.com/',
      'https://good.example.com:8443',
      '',
    ]
    for (const origin of evil) {
      expect(await refused(server, from(origin)), origin).toEqual({
        message: 'Origin not allowed',
        data: { code: 'origin_not_allowed', retryable: false },
      })
    }
    await connect(server, 'ann', { ...from('https://good.example.com'), transport })
    await connect(server, 'ann', { transport })
  })

  test('[CON8] connection state recovery is off: a session that comes back is a new one, and joins again', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, 'project:p1')
    ann.socket.io.engine.close()
    await server.server.publish('project:p1', { type: 'task:update', payload: {} })
    const again = new Promise((resolve) => ann.socket.once('connected', resolve))
    ann.socket.connect()
    await again
    expect(ann.socket.recovered).toBeFalsy()
    await expectNothing(ann, 'task:update')
  })

  test('[CON2] what a client may try again it does: the stock client gives up after a refusal, and may connect anew', async () => {
    const server = await startServer()
    let token = tokenFor('ann', { exp: past })
    const socket = io(server.url, { forceNew: true, transports: [transport], auth: (give) => give({ token }) })
    cleanup(() => socket.disconnect())
    await new Promise((resolve) => socket.once('connect_error', resolve))
    token = tokenFor('ann')
    const connected = new Promise((resolve) => socket.once('connected', resolve))
    socket.connect()
    expect(await connected).toMatchObject({ userId: 'ann' })
  })
})

test('[CON5] A20 one CONNECT a connection: a second one closes it, before authentication and after', async () => {
  const server = await startServer()
  const eager = await RawClient.open(server)
  const connectPacket = `40${JSON.stringify({ token: tokenFor('ann') })}`
  for (let i = 0; i < 50; i++) eager.send(connectPacket)
  await eager.closed
  expect(eager.received.filter((text) => text.startsWith('40')).length).toBeLessThanOrEqual(1)

  const late = await RawClient.open(server)
  late.send(connectPacket)
  await late.expect(/"connected"/)
  late.send(connectPacket)
  await late.closed
  // Namespaces are no way around it, and there is only the one.
  const other = await RawClient.open(server)
  other.send(`40/admin,${JSON.stringify({ token: tokenFor('ann') })}`)
  await other.expect(/^44\/admin,.*Invalid namespace/)
  other.send(connectPacket)
  await other.closed
})

test('[CON6] A19 a connection that does not authenticate in time is closed', async () => {
  const server = await startServer({ connectTimeoutMs: 100 })
  const silent = await RawClient.open(server)
  await silent.closed
})

test('[CON6] a refused connection is closed by the server, whatever the client does', async () => {
  const server = await startServer()
  const guesser = await RawClient.open(server)
  guesser.send('40{"token":"guess"}')
  await guesser.expect(/^44\{"message":"Authentication failed"/)
  await guesser.closed
})

test('[CON7] A2 a raw upgrade from another origin gets no session either', async () => {
  const server = await startServer({ allowedOrigins: ['https://good.example.com'] })
  const evil = await RawClient.open(server, { origin: 'https://evil.com' })
  evil.send(`40${JSON.stringify({ token: tokenFor('ann') })}`)
  await evil.expect(/^44\{"message":"Origin not allowed"/)
  await evil.closed
})

test('A21 no compression is negotiated', async () => {
  const server = await startServer()
  const socket = tcp(server.port, '127.0.0.1')
  cleanup(() => socket.destroy())
  socket.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
  )
  const head = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString('latin1'))))
  expect(head).toMatch(/^HTTP\/1\.1 101/)
  expect(head.toLowerCase()).not.toContain('permessage-deflate')
})

test('[CON1] A31 a token stays nowhere in what Socket.IO tells other nodes of a socket', async () => {
  const server = await startServer()
  const token = tokenFor('ann')
  const extraHeaders = { authorization: `Bearer ${token}`, cookie: `session=${token}` }
  await connect(server, 'ann', { token, extraHeaders })
  const sockets = await server.server.io.fetchSockets()
  expect(sockets).toHaveLength(1)
  expect(JSON.stringify(sockets.map(({ handshake, data }) => ({ handshake, data })))).not.toContain(token)
  expect(SECRET.length).toBeGreaterThan(32)
})
