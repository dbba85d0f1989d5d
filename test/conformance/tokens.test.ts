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
import { json, startApp } from '../server/access/app.ts'
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
import { oneInstance } from '../support/one-instance.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

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
  const revocations = new Revocations(store, oneInstance(store).control)
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

test('[LIFE2] a token issued in the very second of the revocation is refused: it may have been before', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  let token: string
  let second: number
  do {
    second = Math.floor(Date.now() / 1000)
    token = tokenFor('ann', { iat: second })
    expect(await api('POST', '/api/v1/users/ann/revoke', {})).toMatchObject({ status: 200 })
  } while (Math.floor(Date.now() / 1000) !== second)
  const socket = clientOf(server, { token })
  const refused = new Promise((resolve, reject) => {
    socket.once('connect_error', (error: Error & { data?: unknown }) => resolve(error.data))
    socket.once('connect', () => reject(new Error('expected a refusal, was let in')))
  })
  socket.connect()
  expect(await refused).toMatchObject({ code: 'revoked' })
})

test('[LIFE2] [PRE3] who is revoked while they are lost is not waited for', async () => {
  const server = await startServer({ apiKeys: [KEY], presenceGraceMs: 600_000 })
  const api = await apiOf(server)
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  ann.socket.io.engine.close()
  const connections = async () => (await api('GET', `/api/v1/channels/${channel}/presence`)).body.connections
  let here = await connections()
  while (here !== 1) here = await connections()
  expect(await api('POST', '/api/v1/users/ann/revoke', {})).toMatchObject({ status: 200, body: { sessions: 0 } })
  expect(await expectEvent(ben, 'presence:leave')).toEqual({ channel, userId: 'ann' })
  ben.socket.disconnect()
})

test('[LIFE1] a join that the old token was asked about does not outlive the new one', async () => {
  const app = await startApp()
  const server = await startServer({
    access: 'webhook',
    accessWebhookUrl: app.url,
    accessWebhookSecret: 'a-secret-of-the-webhook-that-is-long-enough',
  })
  let answerOld = () => {}
  app.answers((question) => {
    if (question.body.includes('"scope":"new"')) json({ role: 'none' })(question)
    else answerOld = () => json({ role: 'editor' })(question)
  })
  const ann = await connect(server, 'ann', { token: tokenFor('ann', { scope: 'old' }) })
  const joined = ask(ann, 'channel:join', { channel })
  await until('the app is asked', () => app.questions.length === 1)
  const refreshed = ask(ann, 'auth:refresh', { token: tokenFor('ann', { scope: 'new' }) })
  // It has been taken in by then.
  await expectReply(ann, 'ping', {})
  answerOld()
  await joined
  expect(await refreshed).toMatchObject({ ok: true })
  expect(await expectRefusal(ann, 'task:update', { channel, payload: {} })).toMatchObject({ code: 'not_joined' })
})
