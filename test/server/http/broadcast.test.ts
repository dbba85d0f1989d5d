// `/broadcast`, `/stats` and `/health` in the words of the task board's app servers.
import { expect, test } from 'vitest'
import { z } from 'zod'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'
import { broadcast, openTasks, together } from '../../support/task-clients.ts'

const withKey = (more = {}) => startServer({ apiKeys: [KEY], ...more })

test('[D5] what is missing is told in the words that callers know; what is wrong with the rest, by its name', async () => {
  const server = await withKey()
  const api = await apiOf(server)
  for (const missing of [{}, { type: 'TEST' }, { projectId: 'p1' }, { type: '', projectId: 'p1' }, []]) {
    const { status, body } = await api('POST', '/broadcast', missing)
    expect([status, body]).toEqual([400, { error: 'Missing required fields: type, projectId' }])
  }
  const said = { type: 'TASK_UPDATE', projectId: 'p1', payload: {} }
  for (const [wrong, field] of [
    [{ type: 7 }, 'type'],
    [{ type: 'x'.repeat(200) }, 'type'],
    [{ projectId: '../x' }, 'projectId'],
    [{ projectId: { toString: 1 } }, 'projectId'],
    [{ operationId: 7 }, 'operationId'],
    [{ timestamp: 'now' }, 'timestamp'],
    [{ userId: { id: 1 } }, 'userId'],
    [{ type: 'MESSAGE_SEND' }, 'content'],
  ] as const) {
    const { status, body } = await api('POST', '/broadcast', { ...said, ...wrong })
    expect([status, body.error?.code, body.error?.message], field).toEqual([
      400,
      'invalid',
      expect.stringContaining(field),
    ])
  }
})

test('[D4] malformed JSON is answered in JSON, and so is what is too deep or too large', async () => {
  const server = await withKey()
  for (const bad of ['{"type":', 'nonsense', `{"type":"TEST","projectId":"p1","payload":${'['.repeat(40_000)}`]) {
    expect(await broadcast(server, bad)).toMatchObject({ status: 400, body: { error: { code: 'invalid' } } })
  }
  const deep = `{"type":"TEST","projectId":"p1","payload":${'['.repeat(40_000)}${']'.repeat(40_000)}}`
  expect(await broadcast(server, deep)).toMatchObject({ status: 400, body: { error: { code: 'invalid' } } })
  const large = { type: 'TEST', projectId: 'p1', payload: 'x'.repeat(110_000) }
  expect(await broadcast(server, large)).toMatchObject({ status: 413, body: { error: { code: 'too_large' } } })
})

test('[D5] what breaks here is a 500 in the words that callers know', async () => {
  const payload = z.looseObject({}).refine(() => {
    throw new TypeError('a secret of the app')
  })
  const server = await withKey({ events: { 'card:move': { payload } } })
  const api = await apiOf(server)
  const { status, body } = await api('POST', '/broadcast', { type: 'CARD_MOVE', projectId: 'p1', payload: {} })
  expect([status, body]).toEqual([500, { error: 'Internal server error' }])
})

test('a caller that writes in our way is served in it: its operationId is kept as it is [OP2]', async () => {
  const server = await withKey()
  const ann = await connect(server, 'ann')
  await join(ann, 'project:p1')
  const api = await apiOf(server)
  const said = { type: 'task:update', projectId: 'p1', payload: { n: 1 }, operationId: 'op-1' }
  expect((await api('POST', '/broadcast', said)).body).toMatchObject({ seq: 1, operationId: 'op-1' })
  expect((await expectEvent(ann, 'task:update')).operationId).toBe('op-1')
  expect(await api('POST', '/broadcast', { ...said, payload: { n: 2 } })).toMatchObject({ status: 409 })
  expect(await api('POST', '/broadcast', { ...said, payload: 'text' })).toMatchObject({ status: 400 })
  expect(await api('POST', '/broadcast', { type: 'task:update', projectId: 'p1' })).toMatchObject({ status: 400 })
})

test('[D5] an app of the protocol hears of /broadcast as of any fact', async () => {
  const server = await withKey()
  const ann = await connect(server, 'ann')
  await join(ann, 'project:p1')
  const said = { projectId: 'p1', payload: { id: 't1' }, operationId: 'task-update-1', userId: 'u1' }
  await broadcast(server, { ...said, type: 'TASK_UPDATE' })
  expect(await expectEvent(ann, 'task:update')).toMatchObject({
    user: { id: 'u1' },
    payload: { id: 't1' },
    operationId: expect.stringMatching(/^task-update-1~http\.[\w-]{16}$/),
  })
  await broadcast(server, { ...said, type: 'TEST' })
  expect((await expectEvent(ann, 'event:other')).payload).toEqual({ type: 'TEST', payload: { id: 't1' } })
})

test('[D4] [D5] /stats has the ids of the clients by project, for callers with a key', async () => {
  const server = await withKey()
  const clients = await together(server, 'p1', 'ann', 'bob')
  await together(server, 'p2', 'cat')
  const dan = await openTasks(server, 'dan')
  expect((await fetch(`${server.url}/stats`)).status).toBe(401)
  const { body } = await (await apiOf(server))('GET', '/stats')
  expect(body).toMatchObject({
    totalClients: 4,
    totalProjects: 2,
    projectStats: {
      p1: { clientCount: 2, clients: clients.map(({ clientId }) => clientId) },
      p2: { clientCount: 1, clients: [expect.stringMatching(/^client_/)] },
    },
  })
  expect(JSON.stringify(body)).not.toContain(dan.clientId)
})

test('[D6] /health has what this family asks of it', async () => {
  const server = await withKey()
  await together(server, 'p1', 'ann', 'bob')
  const health = (await (await fetch(`${server.url}/health`)).json()) as Record<string, unknown>
  expect(health).toMatchObject({
    status: 'healthy',
    timestamp: expect.any(Number),
    clients: 2,
    projects: 1,
    uptime: expect.any(Number),
  })
  expect(Math.abs(Date.now() - Number(health.timestamp))).toBeLessThan(20_000)
})

test('[D5] a preflight of /broadcast is answered for the allowed origins', async () => {
  const server = await withKey({ allowedOrigins: ['https://app.example.com'] })
  const preflight = (origin: string) =>
    fetch(`${server.url}/broadcast`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    })
  const { status, headers } = await preflight('https://app.example.com')
  expect([status, headers.get('access-control-allow-origin'), headers.get('access-control-allow-credentials')]).toEqual(
    [204, 'https://app.example.com', 'true'],
  )
  expect(headers.get('access-control-allow-methods')).toBe('GET,HEAD,PUT,PATCH,POST,DELETE')
  expect((await preflight('https://elsewhere.example')).headers.get('access-control-allow-origin')).toBeNull()
})
