import { expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { json, type Question, startApp } from '../access/app.ts'

const channel = 'project:p1'
const path = '/api/v1/sync'
const ANN = tokenFor('ann', { name: 'Ann' })

interface Result {
  readonly operationId: string | null
  readonly ok: boolean
  readonly seq?: number
  readonly duplicate?: boolean
  readonly error?: { readonly code: string }
}
const brief = (results: unknown) =>
  (results as Result[]).map(({ operationId, ok, seq, error }) => [operationId, ok, seq ?? error?.code])

test('operations are done as oneself, in order, each with its own result, and again only once', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ben = await connect(server, 'ben')
  await join(ben, channel)
  const update = { channel, type: 'task:update', payload: { id: 't1' } }
  const operations = [
    { ...update, operationId: 'a' },
    { ...update, operationId: 'b', type: 'ping' },
    { ...update, operationId: 'c', type: 'no:such' },
    { ...update, operationId: 'd', channel: 'nowhere' },
    { ...update, operationId: 'e', channel: 'user:ben' },
    { ...update, operationId: 'f', type: 'member:added', payload: { userId: 'cay', role: 'admin' } },
    update,
    null,
    7,
    { channel: 'room:r1', type: 'message:send', payload: { content: 'Hi' }, operationId: 'g' },
    { ...update, operationId: 'h' },
  ]
  const first = await api('POST', path, { operations }, ANN)
  expect(first.status).toBe(200)
  expect(brief(first.body.results)).toEqual([
    ['a', true, 1],
    ['b', false, 'invalid'],
    ['c', false, 'unknown_event'],
    ['d', false, 'invalid'],
    ['e', false, 'forbidden'],
    ['f', false, 'forbidden'],
    [null, false, 'invalid'],
    [null, false, 'invalid'],
    [null, false, 'invalid'],
    ['g', true, 1],
    ['h', true, 2],
  ])
  expect(await expectEvent(ben, 'task:update')).toMatchObject({ user: { id: 'ann', name: 'Ann' }, operationId: 'a' })
  const again = await api('POST', path, { operations: operations.slice(0, 1) }, ANN)
  expect(again.body.results).toEqual([{ ...(first.body.results as Result[])[0], duplicate: true }])
})

test('somebody who may not is refused where they may not, a malformed list whole, and a key speaks for nobody', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  await api('PUT', `/api/v1/channels/${channel}/members/ann`, { role: 'none' })
  const operation = { channel, type: 'task:update', payload: {}, operationId: 'a' }
  const operations = [operation, { ...operation, channel: 'project:p2' }]
  expect(brief((await api('POST', path, { operations }, ANN)).body.results)).toEqual([
    ['a', false, 'forbidden'],
    ['a', true, 1],
  ])
  const deep = `{"operations":[${'['.repeat(40)}${']'.repeat(40)}]}`
  for (const bad of [{}, { operations: {} }, { operations: Array(101).fill(operation) }, deep, '[', undefined]) {
    expect((await api('POST', path, bad, ANN)).body.error?.code).toBe('invalid')
  }
  for (const as of [null, KEY, 'wrong']) expect((await api('POST', path, { operations }, as)).status).toBe(401)
})

test('many operations count as many requests', async () => {
  const api = await apiOf(await startServer({ apiKeys: [KEY], rateFactsPerSecond: 5 }))
  const operation = { channel, type: 'task:update', payload: {} }
  const operations = Array.from({ length: 100 }, (_, i) => ({ ...operation, operationId: `o${i}` }))
  expect((await api('POST', path, { operations }, ANN)).status).toBe(200)
  const refused = await api('POST', path, { operations }, ANN)
  expect([refused.status, refused.body.error?.code]).toEqual([429, 'rate_limited'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await api('POST', path, { operations: [] }, tokenFor('ben'))).status).toBe(200)
})

async function decidedBy(how?: (question: Question) => unknown) {
  const app = await startApp(how)
  const webhook = { accessWebhookUrl: app.url, accessWebhookSecret: 'a-secret-between-the-app-and-convene' }
  const server = await startServer({ apiKeys: [KEY], access: 'webhook', ...webhook })
  return { app, api: await apiOf(server) }
}

test('the app is asked once for each channel of what could be done, and about nothing else', async () => {
  const { app, api } = await decidedBy()
  const good = { type: 'task:update', payload: {} }
  const bad: object[] = [{ type: 'no:such' }, { type: 'ping' }, { payload: 7 }, { operationId: 7 }, { channel: 'x' }]
  const operations = Array.from({ length: 100 }, (_, i) => ({
    ...good,
    operationId: `o${i}`,
    channel: i < 10 ? `room:r${i % 2}` : `room:odd${i}`,
    ...(i >= 10 && bad[i % bad.length]),
  }))
  const { results } = (await api('POST', path, { operations }, ANN)).body
  expect(brief(results).slice(0, 10)).toEqual(
    Array.from({ length: 10 }, (_, i) => [`o${i}`, true, Math.floor(i / 2) + 1]),
  )
  expect((results as Result[]).filter(({ ok }) => ok)).toHaveLength(10)
  expect(app.questions.map(({ channel }) => channel).sort()).toEqual(['room:r0', 'room:r1'])
})

test('where the app does not answer, only what is wanted there fails, and it is not asked there again', async () => {
  const { app, api } = await decidedBy((question) =>
    question.channel === 'room:broken' ? json({}, 500)(question) : json({ role: 'editor' })(question),
  )
  const operations = ['room:broken', 'room:r1', 'room:broken'].map((channel, i) => ({
    operationId: `o${i}`,
    channel,
    type: 'task:update',
    payload: {},
  }))
  expect(brief((await api('POST', path, { operations }, ANN)).body.results)).toEqual([
    ['o0', false, 'unavailable'],
    ['o1', true, 1],
    ['o2', false, 'unavailable'],
  ])
  expect(app.questions.map(({ channel }) => channel).sort()).toEqual(['room:broken', 'room:r1'])
})
