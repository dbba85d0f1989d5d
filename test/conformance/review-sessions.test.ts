import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ConveneError } from '../../src/protocol/errors.ts'
import { Revocations } from '../../src/server/access/revocations.ts'
import { createLogger } from '../../src/server/observe/logger.ts'
import { createMetrics } from '../../src/server/observe/metrics.ts'
import { Sessions } from '../../src/server/session/sessions.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
import { createAdmission } from '../../src/server/transports/admission.ts'
import { attachSocketIo } from '../../src/server/transports/socketio.ts'
import { apiOf, KEY } from '../support/api.ts'
import { cleanup } from '../support/cleanup.ts'
import {
  ask,
  clientOf,
  connect,
  expectEvent,
  expectRefusal,
  expectReply,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'project:p1'

test.each(TRANSPORTS)(
  '[LIFE2] a session that is closed for good while it is prepared does not connect: %s',
  async (transport) => {
    const metrics = createMetrics('test')
    cleanup(() => metrics.stop())
    const http = createServer()
    const limits = { factsPerSecond: 50, signalsPerSecond: 50, maxChannels: 100 }
    const sessions = new Sessions({ limits, maxConnectionsPerUser: 5, ended() {} })
    const io = attachSocketIo(http, {
      allowedOrigins: ['*'],
      trustProxy: 0,
      transports: TRANSPORTS,
      pingIntervalMs: 20_000,
      pingTimeoutMs: 20_000,
      connectTimeoutMs: 5000,
      maxMessageBytes: 65_536,
      maxOutboundBytes: 2 ** 20,
      admission: createAdmission(1_000_000),
      logger: createLogger({ level: 'silent', pretty: false, serverId: 'test' }),
      metrics,
      authenticate: async () => ({ identity: { id: 'ann', claims: {} }, expiresAt: Date.now() + 60_000 }),
      open: (connection, verified) => sessions.open(connection, verified),
      async prepare(session) {
        await turn()
        // As when its user is revoked just after that was looked up.
        session.close(new ConveneError('revoked', 'Access was revoked; sign in again'))
        await turn()
      },
      ready: async () => {},
      serve: async () => {},
      close: (session, clean) => sessions.close(session, clean),
    })
    cleanup(() => io.close())
    await new Promise<void>((resolve) => http.listen(0, resolve))
    const { port } = http.address() as AddressInfo
    const socket = clientOf(`http://127.0.0.1:${port}`, { transport, token: 'any' })
    const outcome = new Promise<string>((resolve) => {
      socket.on('connect', () => resolve('connected'))
      socket.on('connect_error', () => resolve('refused'))
      socket.io.on('close', () => resolve('closed'))
    })
    socket.connect()
    expect(await outcome).not.toBe('connected')
  },
)

test('[LIFE2] a token whose iat has a fraction, issued in the second of the revocation, is refused as well', async () => {
  const retention = { facts: 100, days: 7 }
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention })
  cleanup(() => store.close())
  const revocations = new Revocations(store)
  let iat: number
  do {
    iat = Math.floor(Date.now() / 1000) + 0.001
    await revocations.revokeUser('ann', undefined)
  } while (Math.floor(Date.now() / 1000) !== Math.floor(iat))
  await expect(revocations.check({ id: 'ann', claims: { iat } })).rejects.toMatchObject({ code: 'revoked' })
})

test('[LIFE1] of two refreshes at once the later token says what the session may do', async () => {
  const server = await startServer({ access: 'claims' })
  const editor = tokenFor('ann', { channels: { [channel]: 'editor' } })
  const viewer = tokenFor('ann', { channels: { [channel]: 'viewer' } })
  const ann = await connect(server, 'ann', { token: editor })
  await join(ann, channel)
  await Promise.all([
    ask(ann, 'auth:refresh', { token: tokenFor('ann', { role: 'admin' }) }),
    ask(ann, 'auth:refresh', { token: viewer }),
  ])
  expect(await expectRefusal(ann, 'project:delete', { channel, payload: {} })).toMatchObject({ code: 'forbidden' })
})

test('[SIG1] who stops typing without saying where has stopped where they typed', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  await expectReply(ann, 'typing', { channel, isTyping: true, context: 'title' })
  await expectReply(ann, 'typing', { channel, isTyping: false })
  await expectReply(ann, 'signal', { channel, name: 'end', payload: null })
  await expectEvent(ben, 'signal')
  const told = ben.received.filter(({ event }) => event === 'typing').map(({ body }) => body)
  expect(told).toContainEqual({ channel, user: { id: 'ann' }, isTyping: false, context: 'title' })
})

/** Whether somebody is still connected once a reply, however large, has had its effect. */
async function isKept(person: Awaited<ReturnType<typeof connect>>): Promise<boolean> {
  return person.socket
    .timeout(5000)
    .emitWithAck('ping', {})
    .then(
      () => person.socket.connected,
      () => false,
    )
}

test('[LIFE4] a reply that tells of many people cuts nobody', async () => {
  // As 260 people would with the default, 1 MiB.
  const server = await startServer({ maxOutboundBytes: 65_536 })
  const state = { picture: 'x'.repeat(4000) }
  for (let i = 0; i < 20; i++) await expectReply(await connect(server, `u${i}`), 'channel:join', { channel, state })
  const late = await connect(server, 'late')
  await ask(late, 'channel:join', { channel })
  expect(await isKept(late)).toBe(true)
})

test('[LIFE4] a list of documents cuts nobody, whatever MAX_OUTBOUND_BYTES is', async () => {
  const server = await startServer({ apiKeys: [KEY], maxOutboundBytes: 131_072 })
  const api = await apiOf(server)
  for (let i = 0; i < 3; i++) {
    const path = `/api/v1/channels/${channel}/documents/widget:w${i}`
    // Kept, or refused as too large for such a server.
    await api('PUT', path, { data: { text: 'x'.repeat(60_000) } })
  }
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  await ask(ann, 'document:list', { channel })
  expect(await isKept(ann)).toBe(true)
})
