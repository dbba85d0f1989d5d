import { encode } from '@auth/core/jwt'
import jwt from 'jsonwebtoken'
import { describe, expect, test } from 'vitest'
import { Board, boardToken, entry, ISO, openBoard } from '../../support/board.ts'
import { type ConnectOptions, clientOf, connect, type Reached, TRANSPORTS } from '../../support/connect.ts'
import { SECRET, startServer } from '../../support/start-server.ts'
import { sessionToken } from '../auth/issuers.ts'

const ORIGIN = 'https://board.example'
const PAST = { exp: Math.floor(Date.now() / 1000) - 60 }

/** A server as the board's app sets it up: one secret, that of NextAuth. */
function startBoard() {
  return startServer({ jwtSecrets: [SECRET], nextAuth: true, allowedOrigins: [ORIGIN] })
}

/** What a connection that is refused is told. */
async function refusal(
  server: Reached,
  auth: object,
  options: ConnectOptions = {},
): Promise<Error & { data?: unknown }> {
  const socket = clientOf(server, { auth, ...options })
  const refused = new Promise<Error>((resolve, reject) => {
    socket.once('connect_error', resolve)
    socket.once('connect', () => reject(new Error('it was let in')))
  })
  socket.connect()
  return refused
}

/** Who a session cookie of an app is, as a browser sends it. */
function cookies(name: string, token: string): ConnectOptions {
  return { extraHeaders: { cookie: `theme=dark; ${name}=${token}`, origin: ORIGIN } }
}

function now(more: number): number {
  return Math.floor(Date.now() / 1000) + more
}

describe.each(TRANSPORTS)('[D3] dialects.md 2.1 over %s', (transport) => {
  test('a token of the app lets in, and is who they are', async () => {
    const server = await startBoard()
    const ann = await connect(server, 'ann', { transport, token: boardToken('ann', { name: 'Ann', email: 'a@x.io' }) })
    expect(ann.connected).toMatchObject({ socketId: ann.socket.id, userId: 'ann', timestamp: ISO })
    const board = new Board(ann, 'ann')
    expect((await board.join('p1')).active[1]).toMatchObject({ users: [entry('ann', { userName: 'Ann' })], count: 1 })
  })

  test.each([
    ['missing', {}, 'Authentication required'],
    ['empty', { token: '' }, 'Authentication required'],
    ['without an id', { token: jwt.sign({ name: 'x', exp: now(60) }, SECRET) }, 'Invalid token'],
    [
      'signed with another secret',
      { token: boardToken('ann', {}, 'another-secret-of-32-characters-or-more') },
      'Authentication failed',
    ],
    ['expired', { token: boardToken('ann', PAST) }, 'Authentication failed'],
    ['garbage', { token: 'garbage.of.three' }, 'Authentication failed'],
    ['a bare id', { token: 'ann' }, 'Authentication failed'],
    ['no text', { token: { id: 'ann' } }, 'Authentication required'],
  ])('a token that is %s is refused in these words', async (_what, auth, message) => {
    const server = await startBoard()
    expect((await refusal(server, auth, { transport })).message).toBe(message)
  })

  test('[D8] the stock session of NextAuth lets in: v4 and v5, as token and as cookie', async () => {
    const server = await startBoard()
    const claims = { sub: 'ann', name: 'Ann', picture: 'https://img.example/a.png', iat: now(0), exp: now(600) }
    const v4 = await sessionToken(claims, SECRET, '')
    const v5 = await encode({ token: claims, secret: SECRET, salt: 'authjs.session-token', maxAge: 600 })
    const secure = '__Secure-authjs.session-token'
    const v5Secure = await encode({ token: claims, secret: SECRET, salt: secure, maxAge: 600 })
    const ways: ConnectOptions[] = [
      { token: v4 },
      { token: v5 },
      { auth: {}, ...cookies('next-auth.session-token', v4) },
      { token: '', ...cookies('__Secure-next-auth.session-token', v4) },
      { token: '', ...cookies('authjs.session-token', v5) },
      { token: '', ...cookies(secure, v5Secure) },
      // What the app falls back to when its page cannot read the cookie: the id alone.
      { token: 'ann', ...cookies('next-auth.session-token', v4) },
    ]
    for (const way of ways) {
      const ann = await openBoard(server, 'ann', { transport, ...way })
      expect((await ann.join('p1')).active[1], JSON.stringify(way)).toMatchObject({
        users: [entry('ann', { userName: 'Ann', userImage: claims.picture })],
      })
      ann.socket.disconnect()
    }
    // An id is believed only where the cookie says the same, and a cookie only from a page of the app.
    const other = { transport, ...cookies('next-auth.session-token', v4) }
    expect((await refusal(server, { token: 'ben' }, other)).message).toBe('Authentication failed')
    const elsewhere = { cookie: `next-auth.session-token=${v4}`, origin: 'https://evil.example' }
    expect((await refusal(server, { token: '' }, { transport, extraHeaders: elsewhere })).message).toBe(
      'Origin not allowed',
    )
    const expired = await sessionToken({ ...claims, exp: now(-60) }, SECRET, '')
    expect((await refusal(server, { token: expired }, { transport })).message).toBe('Authentication failed')
  })
})

test('[CON3] a token with both sub and id is who sub says', async () => {
  const server = await startBoard()
  const ann = await connect(server, 'x', { token: boardToken('the-id', { sub: 'the-sub' }) })
  expect(ann.connected.userId).toBe('the-sub')
})

test('[D6] dialects.md 2.4: /health and / say how many are connected and how many projects there are; the rest is 404', async () => {
  const server = await startBoard()
  const ann = await openBoard(server, 'ann')
  await ann.join('p1')
  for (const path of ['/health', '/']) {
    const response = await fetch(server.url + path)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await response.json()).toMatchObject({
      status: 'healthy',
      service: expect.any(String),
      uptime: expect.any(Number),
      connections: 1,
      rooms: 1,
      projects: 1,
    })
  }
  expect((await fetch(`${server.url}/no-such-page`)).status).toBe(404)
})
