import { expect, test } from 'vitest'
import { ask, clientOf, connect, join } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { channel, connectPacket, INTERNALS, Room } from './room.ts'

const MARKER = 'm4rk3r'
const KEY = `${MARKER}-key-0123456789-abcdefgh`

test('A4 A25 A31 [ERR2] no token, key, password or content in a log line, an error or the metrics', async () => {
  const room = await Room.open({ LOG_LEVEL: 'trace', NEXTAUTH: 'true' })
  const { server } = room
  const told: string[] = []
  const tokens = [
    tokenFor('mallory', { note: MARKER }),
    tokenFor('mallory', { exp: 1, note: MARKER }),
    tokenFor('mallory', { note: MARKER }, `another-secret-${MARKER}-which-is-long-enough`),
    `${MARKER}.${MARKER}.${MARKER}`,
    MARKER,
    `eyJhbGciOiJub25lIn0.${Buffer.from(MARKER).toString('base64url')}.`,
    `${MARKER}\r\n{"level":"error"}`.repeat(30),
  ]
  const secrets = [MARKER, ...tokens, ...tokens.flatMap((token) => token.split('.').filter((part) => part.length > 20))]
  for (const token of tokens) {
    for (const transport of ['websocket', 'polling'] as const) {
      const query = { token, access_token: token }
      const line = token.replaceAll(/[\r\n]/g, '')
      const extraHeaders = {
        authorization: `Bearer ${line}`,
        cookie: `next-auth.session-token=${encodeURIComponent(line)}; authjs.session-token.0=${encodeURIComponent(line)}`,
        origin: 'http://localhost:3000',
      }
      for (const options of [{ token }, { query }, { extraHeaders }, { token, query, extraHeaders }]) {
        const socket = clientOf(server.url, { transport, ...options })
        const outcome = new Promise<unknown>((resolve) => {
          socket.once('connected', resolve)
          socket.once('connect_error', (error) => resolve([error.message, (error as Error & { data: unknown }).data]))
        })
        socket.connect()
        told.push(JSON.stringify(await outcome))
        socket.disconnect()
      }
    }
  }
  const mallory = await connect(server, 'mallory')
  await join(mallory, channel)
  for (const token of tokens) told.push(JSON.stringify(await ask(mallory, 'auth:refresh', { token })))
  const bad = { note: MARKER, channel: `project:${MARKER}'` }
  for (const event of ['channel:join', 'task:update', 'presence:update', 'channel:history', 'nothing', 'ping']) {
    for (const body of [
      bad,
      { channel, payload: MARKER, operationId: 7 },
      { channel, payload: [MARKER], state: MARKER },
    ]) {
      told.push(JSON.stringify(await ask(mallory, event, body)))
    }
  }
  mallory.socket.disconnect()
  for (const headers of [{ 'x-api-key': KEY }, { authorization: `Bearer ${KEY}` }, { cookie: KEY }]) {
    for (const path of [
      '/nothing',
      `/k/${KEY}/nothing`,
      '/stats',
      '/broadcast',
      `/api/v1/channels/x/events?token=${KEY}`,
    ]) {
      const post = {
        method: 'POST',
        body: `{"note":"${MARKER}"`,
        headers: { ...headers, 'content-type': 'application/json' },
      }
      told.push(await (await fetch(server.url + path, post)).text())
      told.push(await (await fetch(server.url + path, { headers })).text())
    }
  }
  const { url } = server
  const metrics = await (await fetch(`${url}/metrics`)).text()
  expect(metrics).toContain('convene_connections_refused_total')
  await room.noticesNothing()
  // A channel that is told of is told to whom it belongs: the one who asked. Everything else is silent.
  const places = { log: server.output(), metrics, ...Object.fromEntries(told.map((text, i) => [`answer ${i}`, text])) }
  for (const [place, text] of Object.entries(places)) {
    for (const secret of secrets) {
      expect(text.includes(secret) ? `${place} tells ${secret}: ${text.slice(0, 300)}` : '').toBe('')
    }
    if (place !== 'log') expect(text, place).not.toMatch(INTERNALS)
  }
  expect(server.output()).toContain('a connection was refused')
  expect(server.output()).not.toMatch(/^\{"level":"error"\}/m)
})

test('A31 [CON1] nothing a client showed at the door stays in its socket, whatever way it came', async () => {
  const server = await startServer({ nextAuth: true, allowedOrigins: ['https://app.example.com'] })
  const token = tokenFor('ann', { note: MARKER })
  const cookie = `next-auth.session-token=${token}`
  const origin = 'https://app.example.com'
  for (const transport of ['websocket', 'polling'] as const) {
    for (const given of [
      { token },
      { extraHeaders: { authorization: `Bearer ${token}` } },
      { extraHeaders: { cookie, origin } },
    ]) {
      await connect(server, '-', { transport, token: undefined as never, ...given })
    }
  }
  const raw = await RawClient.open(server)
  raw.send(connectPacket('ann').replace('}', `,"more":{"token":"${token}"}}`))
  await raw.expect(/"connected"/)
  const sockets = await server.server.io.fetchSockets()
  expect(sockets).toHaveLength(7)
  for (const { handshake, data } of sockets) expect(JSON.stringify({ handshake, data })).not.toContain(token)
})
