import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { apiOf, KEY } from '../support/api.ts'
import { cleanup } from '../support/cleanup.ts'
import { ask, connect, expectEvent, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

type Ending = (answer: { status: number; body: string }) => void

/** A server whose app is asked, and answers `editor` but where `decide` says something else, sooner or later. */
async function decidedBy(decide: (channel: string, end: Ending) => boolean) {
  const listener: RequestListener = async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const { channel } = JSON.parse(text) as { channel: string }
    const end: Ending = ({ status, body }) => {
      response.statusCode = status
      response.end(body)
    }
    if (!decide(channel, end)) end({ status: 200, body: '{"role":"editor"}' })
  }
  const app = createServer(listener)
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  cleanup(() => app.closeAllConnections())
  cleanup(() => app.close())
  return startServer({
    apiKeys: [KEY],
    access: 'webhook',
    accessWebhookUrl: `http://127.0.0.1:${(app.address() as AddressInfo).port}/`,
    accessWebhookSecret: 'a-secret-between-the-app-and-convene',
  })
}

test('A17 whoever asks for what the app finds wrong does not shut out everybody else', async () => {
  const server = await decidedBy((channel, end) => {
    if (!channel.startsWith('group:')) return false
    end({ status: 400, body: '{"error":"no such kind"}' })
    return true
  })
  const mallory = await connect(server, 'mallory')
  for (let i = 0; i < 8; i++) {
    const reply = await ask(mallory, 'channel:join', { channel: `group:g${i}` })
    expect(reply.ok).toBe(false)
  }
  await join(await connect(server, 'honest'), 'project:p1')
})

test('A13 an app that answers with anything but a role lets nobody in, and its words go nowhere', async () => {
  const answers = ['{"__proto__":{"role":"admin"}}', '["admin"]', '"admin"', '{"role":["admin"]}', '{"role":"owner"}']
  const server = await decidedBy((channel, end) => {
    end({ status: 200, body: answers[Number(channel.slice('room:r'.length))] ?? `secret${'x'.repeat(20_000)}` })
    return true
  })
  for (let i = 0; i <= answers.length; i++) {
    const reply = await ask(await connect(server, `u${i}`), 'channel:join', { channel: `room:r${i}` })
    expect(reply).toMatchObject({ ok: false, error: { code: 'unavailable' } })
    expect(JSON.stringify(reply)).not.toMatch(/secret|owner|admin/)
  }
})

test('A12 [FACT3] who is removed while the app is asked about something else of the same sync writes nothing more', async () => {
  let answerLate: (() => void) | undefined
  const server = await decidedBy((channel, end) => {
    if (channel !== 'group:slow') return false
    answerLate = () => end({ status: 200, body: '{"role":"editor"}' })
    return true
  })
  const api = await apiOf(server)
  const witness = await connect(server, 'witness')
  await join(witness, 'project:p1')
  await api('PUT', '/api/v1/channels/project:p1/members/tom', { role: 'editor' })
  const operation = (channel: string) => ({ operationId: channel, channel, type: 'task:update', payload: {} })
  const synced = api(
    'POST',
    '/api/v1/sync',
    { operations: [operation('project:p1'), operation('group:slow')] },
    tokenFor('tom'),
  )
  await expect.poll(() => answerLate !== undefined).toBe(true)
  await api('PUT', '/api/v1/channels/project:p1/members/tom', { role: 'none' })
  await expectEvent(witness, 'member:changed')
  answerLate?.()
  const { results } = (await synced).body as unknown as { results: { ok: boolean; error?: { code: string } }[] }
  expect(results.map(({ ok, error }) => (ok ? 'stored' : error?.code))).toEqual(['forbidden', 'stored'])
})

test('A14 [FACT3] who is shut out while the app takes its time is not let in by its answer', async () => {
  let asked: (end: Ending) => void = () => {}
  const question = new Promise<Ending>((resolve) => {
    asked = resolve
  })
  let questions = 0
  const server = await decidedBy((_channel, end) => {
    if (questions++ > 0) return false
    asked(end)
    return true
  })
  const api = await apiOf(server)
  const headers = { authorization: `Bearer ${tokenFor('tom')}`, 'content-type': 'application/json' }
  const url = `${server.url}/api/v1/channels/project:p1/messages`
  const sent = fetch(url, { method: 'POST', headers, body: JSON.stringify({ content: 'hello' }) })
  const end = await question
  const shut = await api('PUT', '/api/v1/channels/project:p1/members/tom', { role: 'none' })
  expect(shut.status).toBe(200)
  end({ status: 200, body: '{"role":"editor"}' })
  expect((await sent).status).toBe(403)
})
