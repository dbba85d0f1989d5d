import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { realtimeRoutes } from '../../../src/server/http/realtime.ts'
import { type Api, apiOf, KEY } from '../../support/api.ts'
import { expectDescribed, openApiOf } from '../../support/described.ts'
import { as, openPlain } from '../../support/plain.ts'
import { startServer, type TestServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { claims, keyPair, keyToken, startJwksServer } from '../auth/issuers.ts'

const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
const ANN = tokenFor('ann')

/** What a call with other headers or another body than the kit's came to. */
async function call(server: TestServer, init: RequestInit, query = '') {
  const response = await fetch(`${server.url}/api/realtime${query}`, init)
  const body = await response.json()
  expectDescribed(await openApiOf(server), init.method ?? 'GET', '/api/realtime', response.status, body)
  return { status: response.status, body, headers: response.headers }
}

function json(body: unknown, headers: Record<string, string> = { authorization: `Bearer ${ANN}` }): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  }
}

const sync = (api: Api, operations: unknown, more: object = {}, query = '') =>
  api('POST', `/api/realtime${query}`, { type: 'SYNC', operations, ...more }, ANN)

test('GET tells where to connect, and who it is where that is known', async () => {
  const server = await startServer()
  const wsUrl = `${server.url.replace('http', 'ws')}/api/realtime`
  const api = await apiOf(server)
  expect(await api('GET', '/api/realtime', undefined, null)).toMatchObject({
    status: 200,
    body: { status: 'ready', wsUrl, timestamp: ISO },
  })
  const known = await api('GET', '/api/realtime', undefined, ANN)
  expect(known.body).toEqual({ status: 'ready', wsUrl, userId: 'ann', timestamp: ISO })
  // [D3] Who only says so is nobody.
  for (const init of [{ headers: { authorization: 'Bearer ann' } }, { headers: { cookie: 'userId=ann' } }]) {
    expect((await call(server, init, '?userId=ann')).body).toEqual({ status: 'ready', wsUrl, timestamp: ISO })
  }
  const client = await openPlain(server, `/api/realtime${as('ann')}`)
  await client.expect('CONNECT')
})

test('[D3] where claims are believed, the bearer is the user', async () => {
  const server = await startServer({ insecureIdentity: true })
  const said = await call(server, { headers: { authorization: 'Bearer test-user' } })
  expect(said.body).toMatchObject({ userId: 'test-user' })
  const operations = [{ operationId: 'op-1', type: 'WIDGET_UPDATE', payload: { widgetId: 'w', data: { value: 42 } } }]
  const { status, body } = await call(server, json({ type: 'SYNC', operations }, { authorization: 'Bearer test-user' }))
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      success: true,
      results: [{ operationId: 'op-1', status: 'success', type: 'WIDGET_UPDATE', timestamp: ISO }],
      timestamp: ISO,
    },
  })
})

test('in production clients are sent to wss', async () => {
  const server = await startServer({
    nodeEnv: 'production',
    jwtSecrets: [randomBytes(32).toString('base64')],
    access: 'claims',
    apiKeys: [KEY],
    allowedOrigins: ['https://app.example.com'],
  })
  const { body } = await call(server, {})
  expect(body.wsUrl).toBe(`${server.url.replace('http', 'wss')}/api/realtime`)
})

test('SYNC does each operation as the document says, and tells the members', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ben = await openPlain(server, `/api/realtime${as('ben')}&dashboardId=d1`)
  await ben.expect('CONNECT')
  const given = [
    ['WIDGET_UPDATE', { widgetId: 'w1', data: { value: 42 }, timestamp: 5 }],
    ['LAYOUT_UPDATE', { layout: { columns: 2 } }],
    ['LAYOUT_UPDATE', { layout: [{ i: 'w1' }] }],
    ['WIDGET_DELETE', { widgetId: 'w1' }],
    ['WIDGET_DELETE', { widgetId: 'never heard of' }],
    ['WIDGET_UPDATE', { widgetId: 'w1' }, 'Missing widgetId or data in payload'],
    ['WIDGET_UPDATE', { data: {} }, 'Missing widgetId or data in payload'],
    ['WIDGET_UPDATE', undefined, 'Missing widgetId or data in payload'],
    ['LAYOUT_UPDATE', {}, 'Missing layout in payload'],
    ['WIDGET_DELETE', null, 'Missing widgetId in payload'],
    ['SYNC_UPDATE', {}, 'Unknown operation type: SYNC_UPDATE'],
    ['toString', {}, 'Unknown operation type: toString'],
    [undefined, {}, 'Unknown operation type: undefined'],
  ] as const
  const operations = given.map(([type, payload], i) => ({ operationId: `op-${i}`, type, payload }))
  const { status, body } = await sync(api, operations, {}, '?dashboardId=d1')
  expect(status).toBe(200)
  expect(body).toEqual({
    success: true,
    results: given.map(([type, , error], i) =>
      error
        ? { operationId: `op-${i}`, status: 'error', error }
        : { operationId: `op-${i}`, status: 'success', type, timestamp: ISO },
    ),
    timestamp: ISO,
  })
  await ben.expectCount(5, ({ type }) => type !== 'CONNECT')
  expect(
    ben
      .taken()
      .slice(1)
      .map(({ type, payload, userId }) => [type, payload, userId]),
  ).toEqual([
    ['WIDGET_UPDATE', { widgetId: 'w1', data: { value: 42 } }, 'ann'],
    ['LAYOUT_UPDATE', { layout: { columns: 2 } }, 'ann'],
    ['LAYOUT_UPDATE', { layout: [{ i: 'w1' }] }, 'ann'],
    ['WIDGET_DELETE', { widgetId: 'w1' }, 'ann'],
    ['WIDGET_DELETE', { widgetId: 'never heard of' }, 'ann'],
  ])
  // Once more: nothing is done again.
  expect((await sync(api, operations.slice(0, 5), {}, '?dashboardId=d1')).body.results).toHaveLength(5)
  const { body: log } = await api('GET', '/api/v1/channels/dashboard:d1/events')
  expect(log.head).toBe(5)
})

test('[D5] the page that only asks whether it may, as it does every 5 s while it is away, is told so', async () => {
  const server = await startServer()
  const { status, body } = await call(server, json({ type: 'SYNC', operations: [] }))
  expect({ status, body }).toEqual({ status: 200, body: { success: true, results: [], timestamp: ISO } })
})

test('[D5] when nobody can be verified for now that is a 500, not a 401 that would end its asking', async () => {
  const keys = await startJwksServer({})
  const server = await startServer({ jwtSecrets: [], jwksUrl: keys.url })
  await keys.stop()
  const token = await keyToken(claims(), keyPair('P-256').privateKey, { alg: 'ES256', kid: 'k1' })
  const asked = json({ type: 'SYNC', operations: [] }, { authorization: `Bearer ${token}` })
  const { status, body } = await call(server, asked)
  expect({ status, body }).toEqual({ status: 500, body: { error: 'Authentication service unavailable' } })
})

test('[D5] what breaks here is a 500 that does not say why', () => {
  for (const { path, failure } of realtimeRoutes({} as never).filter(({ may }) => may !== 'key')) {
    const told = failure?.({ code: 'internal', message: 'a secret', retryable: true })
    expect(told, path).toEqual({ status: 500, body: { error: 'Internal server error' }, headers: {} })
  }
})

test('[D5] an operationId with another body is another operation; none, or one that is no text, is no id', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const update = (value: unknown, operationId?: unknown) => ({
    ...(operationId !== undefined && { operationId }),
    type: 'WIDGET_UPDATE',
    payload: { widgetId: 'w', data: { value } },
  })
  const same = { operationId: 'op-1', status: 'success', type: 'WIDGET_UPDATE', timestamp: ISO }
  const { body } = await sync(api, [
    update(1, 'op-1'),
    update(2, 'op-1'),
    update(1, 'op-1'),
    update(3),
    update(3, 7),
    null,
  ])
  expect(body.results).toEqual([
    same,
    same,
    same,
    { status: 'success', type: 'WIDGET_UPDATE', timestamp: ISO },
    { status: 'success', type: 'WIDGET_UPDATE', timestamp: ISO },
    { status: 'error', error: 'Unknown operation type: undefined' },
  ])
  // In one's own dashboard, when none is named.
  const { body: log } = await api('GET', '/api/v1/channels/dashboard:user-ann/events')
  expect(log.head).toBe(4)
  const { body: found } = await api('GET', '/api/v1/channels/dashboard:user-ann/documents/widget:w')
  expect(found.document).toMatchObject({ data: { value: 3 }, version: 4 })
  await sync(api, [update(1)], { dashboardId: 'd7' })
  expect((await api('GET', '/api/v1/channels/dashboard:d7/events')).body.head).toBe(1)
  const late = { ...update(9), payload: { widgetId: 'w', data: { value: 9 }, baseVersion: 1 } }
  const { body: refused } = await sync(api, [late])
  expect(refused.results).toEqual([{ status: 'error', error: expect.stringContaining('widget:w') }])
})

test('[D2] nothing is done where one may not; each operation is told so', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const operations = [{ operationId: 'a', type: 'LAYOUT_UPDATE', payload: { layout: {} } }]
  const { status, body } = await sync(api, operations, { dashboardId: 'user-ben' })
  expect({ status, results: body.results }).toEqual({
    status: 200,
    results: [{ operationId: 'a', status: 'error', error: expect.stringContaining('dashboard:user-ben') }],
  })
  expect((await api('GET', '/api/v1/channels/dashboard:user-ben/events')).body.head).toBe(0)
})

test('what is no sync is refused in the family’s words', async () => {
  const server = await startServer({ rateFactsPerSecond: 20 })
  const unauthorized = 'Unauthorized: Authentication required for sync operations'
  const cases: [RequestInit, number, unknown][] = [
    [json({ type: 'SYNC', operations: [] }, {}), 401, unauthorized],
    [json('{', {}), 401, unauthorized],
    [json({ type: 'SYNC', operations: [] }, { authorization: 'Bearer ann' }), 401, unauthorized],
    [
      json({ type: 'SYNC', operations: [] }, { authorization: `Bearer ${tokenFor('ann', { exp: 1 })}` }),
      401,
      unauthorized,
    ],
    [json({ type: 'SYNC' }), 400, 'Operations must be an array'],
    [json({ type: 'SYNC', operations: {} }), 400, 'Operations must be an array'],
    [json({ type: 'PING', operations: [] }), 400, 'Invalid request type'],
    [json([]), 400, 'Invalid request type'],
    [json('{"type":'), 400, 'Invalid JSON in request body'],
    [json({}), 400, 'Invalid request type'],
    [json({ type: 'SYNC', operations: [], dashboardId: 'a/b' }), 400, expect.stringContaining('dashboardId')],
    [json({ type: 'SYNC', operations: Array(501).fill(null) }), 400, 'Expected at most 500 operations'],
    [json({ type: 'SYNC', operations: JSON.parse(`${'['.repeat(40)}${']'.repeat(40)}`) }), 400, expect.any(String)],
    [json({ type: 'SYNC', operations: ['x'.repeat(200_000)] }), 413, expect.stringContaining('100 kB')],
  ]
  for (const [init, status, error] of cases) {
    expect(await call(server, init), JSON.stringify(init).slice(0, 200)).toMatchObject({ status, body: { error } })
  }
  expect((await call(server, json({ type: 'SYNC', operations: [] }), '?dashboardId=a&dashboardId=b')).status).toBe(400)
  const many = await call(server, json({ type: 'SYNC', operations: Array(500).fill(null) }))
  expect(many.body.results).toHaveLength(500)
  const tooSoon = await call(server, json({ type: 'SYNC', operations: [] }))
  expect({ status: tooSoon.status, body: tooSoon.body }).toEqual({ status: 429, body: { error: expect.any(String) } })
  expect(Number(tooSoon.headers.get('retry-after'))).toBeGreaterThan(0)
})
