import { expect, test } from 'vitest'
import { json, startApp } from '../server/access/app.ts'
import { apiOf, KEY } from '../support/api.ts'
import { ask, clientOf, connect, expectEvent, expectRefusal, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'

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
