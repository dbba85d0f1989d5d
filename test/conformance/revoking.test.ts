import jwt from 'jsonwebtoken'
import { describe, expect, test } from 'vitest'
import {
  type Client,
  clientOf,
  connect,
  expectEvent,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { SECRET, startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'
const KEY = 'a-key-of-the-tests-that-is-long-enough'

async function revoke(server: TestServer, path: string, body?: object): Promise<number> {
  const headers = { 'x-api-key': KEY, 'content-type': 'application/json' }
  const answer = await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body ?? {}) })
  expect(answer.status).toBe(200)
  return ((await answer.json()) as { sessions: number }).sessions
}

/** When a token says it was issued, in whole seconds: so long ago, or so far ahead. */
function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds
}

/** Why somebody is not let in with a token. */
async function refusalOf(server: TestServer, token: string, transport: (typeof TRANSPORTS)[number]): Promise<string> {
  const socket = clientOf(server, { transport, token })
  const refused = new Promise<string>((resolve, reject) => {
    socket.once('connect_error', (error: Error & { data?: { code: string } }) => resolve(String(error.data?.code)))
    socket.once('connect', () => reject(new Error('expected a refusal, was let in')))
  })
  socket.connect()
  return refused
}

async function ended(client: Client): Promise<void> {
  await until('the session is closed', () => !client.socket.connected)
}

describe.each(TRANSPORTS)('revoking over %s', (transport) => {
  test('[LIFE2] a revoked user’s sessions are closed, told why, and their tokens refused; others notice only that', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const token = tokenFor('ann', { iat: inSeconds(-5) })
    const ann = await connect(server, 'ann', { transport, token })
    const tab = await connect(server, 'ann', { transport, token: tokenFor('ann', { iat: inSeconds(0) }) })
    const ben = await connect(server, 'ben', { transport })
    for (const session of [ann, tab, ben]) await join(session, channel)
    expect(await revoke(server, '/api/v1/users/ann/revoke')).toBe(2)
    for (const session of [ann, tab]) {
      expect(await expectEvent(session, 'error')).toMatchObject({ code: 'revoked', retryable: false })
      await ended(session)
    }
    // At once: whoever was revoked does not come back.
    expect(await expectEvent(ben, 'presence:leave')).toEqual({ channel, userId: 'ann' })
    expect(await refusalOf(server, token, transport)).toBe('revoked')
    const undated = jwt.sign({ sub: 'ann', exp: inSeconds(60) }, SECRET, { noTimestamp: true })
    expect(await refusalOf(server, undated, transport)).toBe('revoked')
    await expectReply(ben, 'task:update', { channel, payload: {} })
    for (const session of [ann, tab]) expect(factsOf(session, channel)).toEqual([])
    // Signed in again.
    await connect(server, 'ann', { transport, token: tokenFor('ann', { iat: inSeconds(1) }) })
  })

  test('[LIFE2] with until, no token of the user is good until then; revoking again replaces it', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const newer = tokenFor('ann', { iat: inSeconds(1) })
    await revoke(server, '/api/v1/users/ann/revoke', { until: Date.now() + 3_600_000 })
    expect(await refusalOf(server, newer, transport)).toBe('revoked')
    await revoke(server, '/api/v1/users/ann/revoke', { until: Date.now() })
    expect(await refusalOf(server, tokenFor('ann', { iat: inSeconds(-5) }), transport)).toBe('revoked')
    await connect(server, 'ann', { transport, token: tokenFor('ann', { iat: inSeconds(2) }) })
  })

  test('[LIFE2] a revoked token ends its own sessions and no others', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const [stolen, good] = ['stolen', 'good'].map((jti) => tokenFor('ann', { jti }))
    const thief = await connect(server, 'ann', { transport, token: stolen as string })
    const ann = await connect(server, 'ann', { transport, token: good as string })
    await join(ann, channel)
    expect(await revoke(server, '/api/v1/tokens/revoke', { jti: 'stolen' })).toBe(1)
    expect(await expectEvent(thief, 'error')).toMatchObject({ code: 'revoked' })
    await ended(thief)
    expect(await refusalOf(server, stolen as string, transport)).toBe('revoked')
    await expectReply(ann, 'task:update', { channel, payload: {} })
    // Nor does a session go on under it.
    expect(await expectRefusal(ann, 'auth:refresh', { token: stolen })).toMatchObject({ code: 'revoked' })
    await expectReply(ann, 'ping', {})
  })

  test('[LIFE2] a handshake under way when its user is revoked does not survive it', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const token = tokenFor('ann', { iat: inSeconds(-5) })
    for (let round = 0; round < 10; round++) {
      const sockets = Array.from({ length: 8 }, () => clientOf(server, { transport, token }))
      for (const socket of sockets) socket.connect()
      await new Promise((resolve) => setTimeout(resolve, round))
      await revoke(server, '/api/v1/users/ann/revoke')
      // Each of them was refused, or is closed: by its word, or with its transport.
      const isOver = (socket: (typeof sockets)[number]) => !socket.active || socket.io._readyState === 'closed'
      await until('nobody is connected', () => sockets.every((socket) => !socket.connected && isOver(socket)))
    }
    expect(await refusalOf(server, token, transport)).toBe('revoked')
  })

  test('somebody who is only disconnected comes back by themselves', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const ann = await connect(server, 'ann', { transport, reconnection: true, reconnectionDelay: 10 })
    const first = ann.connected.socketId
    expect(await revoke(server, '/api/v1/users/ann/disconnect')).toBe(1)
    await until('ann is back', () => ann.socket.connected && ann.socket.id !== first)
    expect(await revoke(server, '/api/v1/users/nobody/disconnect')).toBe(0)
  })
})

test('[LIFE2] revocations hold over HTTP, and over a restart', async () => {
  const { url: databaseUrl } = await createDatabase()
  const first = await startServer({ apiKeys: [KEY], databaseUrl })
  const token = tokenFor('ann', { iat: inSeconds(-5) })
  const sync = async (server: TestServer) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ operations: [] })
    return (await fetch(`${server.url}/api/v1/sync`, { method: 'POST', headers, body })).status
  }
  expect(await sync(first)).toBe(200)
  await revoke(first, '/api/v1/users/ann/revoke')
  expect(await sync(first)).toBe(403)
  await first.close()
  const second = await startServer({ apiKeys: [KEY], databaseUrl })
  expect(await sync(second)).toBe(403)
  expect(await refusalOf(second, token, 'websocket')).toBe('revoked')
})
