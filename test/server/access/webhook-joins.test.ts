import { expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, expectRefusal, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { until } from '../../support/until.ts'
import { json, startApp } from './app.ts'

const channel = 'project:p1'
const webhook = { access: 'webhook', accessWebhookSecret: 'a-secret-of-the-webhook-that-is-long-enough' } as const

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
