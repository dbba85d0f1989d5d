import { expect, test } from 'vitest'
import { Blocks } from '../../src/server/access/blocks.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
import type { Store } from '../../src/server/store/store.ts'
import { json, startApp } from '../server/access/app.ts'
import { apiOf, KEY } from '../support/api.ts'
import { cleanup } from '../support/cleanup.ts'
import { ask, clientOf, connect, expectEvent, expectRefusal, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

// Each of these was green, or missing, while a line that it holds was taken out.
const channel = 'project:p1'
const SECRET = 'not for ben'

test('[MSG1] a block holds for whoever connects after it, and after a restart', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  expect(await api('PUT', '/api/v1/users/ann/blocks/ben')).toMatchObject({ status: 200 })
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  await expectReply(ann, 'message:send', { channel, payload: { content: SECRET } })
  await expectReply(ann, 'typing', { channel, isTyping: true })
  await expectReply(ann, 'task:update', { channel, payload: {} })
  expect(await expectEvent(ben, 'hidden')).toMatchObject({ channel, seq: 1 })
  expect(await expectEvent(ben, 'task:update')).toMatchObject({ seq: 2 })
  expect(JSON.stringify(ben.received)).not.toContain(SECRET)
  expect(ben.received.map(({ event }) => event)).not.toContain('typing')
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
  const socket = clientOf(server.url, { token })
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

test('[REQ5] what is sent after a conflict is resolved comes after it', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const write = (text: string) => ({ channel, payload: { widgetId: 'w', data: { text } } })
  await expectReply(ann, 'widget:update', write('first'))
  const [resolved, updated] = await Promise.all([
    expectReply<{ seq: number }>(ann, 'conflict:resolve', {
      channel,
      operationId: 'r',
      documentId: 'widget:w',
      resolution: 'mine',
      data: { text: 'resolved' },
      baseVersion: 1,
    }),
    expectReply<{ seq: number }>(ann, 'widget:update', write('last')),
  ])
  expect([resolved.seq, updated.seq]).toEqual([2, 3])
})

test('[SEQ3] whose operation was refused is delivered another’s of the same id', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  const operationId = 'the-same'
  await expectRefusal(ann, 'widget:delete', { channel, operationId, payload: { widgetId: 'w' } })
  await expectReply(ben, 'task:update', { channel, operationId, payload: {} })
  await expectReply(ben, 'task:move', { channel, payload: {} })
  await expectEvent(ann, 'task:move')
  expect(ann.received.map(({ event }) => event)).toContain('task:update')
})

test('[MSG1] a reading of blocks that comes late does not take back a newer one', async () => {
  const retention = { facts: 100, days: 7 }
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention })
  cleanup(() => store.close())
  const late: (() => void)[] = []
  let isLate = true
  const records = async (stretch: Parameters<Store['records']>[0]) => {
    const found = await store.records(stretch)
    if (isLate) await new Promise<void>((resolve) => late.push(resolve))
    return found
  }
  const slow = Object.assign(Object.create(store) as Store, { records, change: store.change.bind(store) })
  const told: string[][] = []
  const session = {
    userId: 'ben',
    get blockedBy(): ReadonlySet<string> {
      return new Set(told.at(-1))
    },
    set blockedBy(blockers) {
      told.push([...blockers])
    },
  }
  const blocks = new Blocks(slow, () => [session])
  const first = blocks.load(session)
  await until('the blocks were read', () => late.length === 1)
  isLate = false
  await blocks.block('ann', 'ben')
  for (const answer of late) answer()
  await first
  expect(told.filter((blockers) => blockers.join() !== 'ann')).toEqual([])
  expect(told.length).toBeGreaterThan(0)
})

test('[LIFE4] catch-ups of several channels at once, and pages of history, cut nobody who reads', async () => {
  const server = await startServer({ rateFactsPerSecond: 10_000 })
  const ann = await connect(server, 'ann')
  const channels = Array.from({ length: 6 }, (_, i) => `project:p${i}`)
  const positions = new Map<string, { epoch: string; seq: number }>()
  for (const channel of channels) {
    const { epoch, head } = await join(ann, channel)
    positions.set(channel, { epoch, seq: head })
    const payload = { text: 'x'.repeat(60_000) }
    for (let i = 0; i < 8; i++) await expectReply(ann, 'task:update', { channel, payload })
  }
  const ben = await connect(server, 'ben')
  const caughtUp = await Promise.all(channels.map((channel) => join(ben, channel, { since: positions.get(channel) })))
  expect(caughtUp.map(({ events }) => events.length)).toEqual(channels.map(() => 8))
  const pages = await Promise.all(
    channels.map((channel) => expectReply<{ events: unknown[] }>(ben, 'channel:history', { channel })),
  )
  expect(pages.map(({ events }) => events.length)).toEqual(channels.map(() => 8))
  await expectReply(ben, 'ping', {})
})

test('[FACT2] an operation over HTTP whose right cannot be had may be tried again, and is not forbidden', async () => {
  const app = await startApp(json({}, 500))
  const server = await startServer({
    apiKeys: [KEY],
    access: 'webhook',
    accessWebhookUrl: app.url,
    accessWebhookSecret: 'a-secret-of-the-webhook-that-is-long-enough',
  })
  const api = await apiOf(server)
  const operations = [{ operationId: 'o', channel, type: 'task:update', payload: {} }]
  const { status, body } = await api('POST', '/api/v1/sync', { operations }, tokenFor('ann'))
  expect({ status, results: body.results }).toMatchObject({
    status: 200,
    results: [{ ok: false, operationId: 'o', error: { code: 'unavailable', retryable: true } }],
  })
})

const webhook = { access: 'webhook', accessWebhookSecret: 'a-secret-of-the-webhook-that-is-long-enough' } as const

test('[JOIN7] who joins again and may not be there any more is put out, and told so', async () => {
  const app = await startApp()
  const server = await startServer({ ...webhook, accessWebhookUrl: app.url })
  const ann = await connect(server, 'ann', { token: tokenFor('ann', { scope: 'old' }) })
  await join(ann, channel)
  app.answers(json({}, 500))
  const refusal = await expectRefusal(ann, 'auth:refresh', { token: tokenFor('ann', { scope: 'new' }) })
  expect(refusal).toMatchObject({ code: 'unavailable' })
  app.answers(json({ role: 'none' }))
  expect(await expectRefusal(ann, 'channel:join', { channel })).toMatchObject({ code: 'forbidden' })
  expect(await expectEvent(ann, 'channel:left')).toEqual({ channel, reason: 'forbidden' })
  expect(await expectRefusal(ann, 'presence:list', { channel })).toMatchObject({ code: 'not_joined' })
})

test('who has not been let in yet is not counted', async () => {
  const app = await startApp()
  const server = await startServer({ ...webhook, accessWebhookUrl: app.url, apiKeys: [KEY] })
  const api = await apiOf(server)
  let answer = () => {}
  app.answers((question) => {
    answer = () => json({ role: 'editor' })(question)
  })
  const ann = await connect(server, 'ann')
  const joined = join(ann, channel)
  await until('the app is asked', () => app.questions.length === 1)
  const told = await api('POST', '/broadcast', { type: 'task:update', channel, payload: {} })
  answer()
  await joined
  expect(told.body).toMatchObject({ clientCount: 0 })
})
