import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { connect, expectEvent, expectReply, factsOf, join } from '../../support/connect.ts'
import { startServer, type TestServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'

const KEY = 'key-of-the-tests-0123456789'
const channel = 'project:p1'

interface Answer {
  readonly status: number
  readonly body: {
    success?: boolean
    error?: { code: string; message: string; retryable: boolean }
    [field: string]: unknown
  }
  readonly headers: Headers
}

async function call(
  server: TestServer,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { 'x-api-key': KEY },
): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'], headers: response.headers }
}

const withKeys = () => startServer({ apiKeys: ['an-older-key-which-still-works', KEY] })
const fact = { type: 'task:update', payload: { id: 't1' } }
const NEED_KEY: [method: string, path: string, body?: unknown][] = [
  ['POST', '/broadcast', { ...fact, projectId: 'p1' }],
  ['GET', '/stats'],
  ['GET', '/metrics'],
  ['POST', `/api/v1/channels/${channel}/events`, fact],
  ['GET', `/api/v1/channels/${channel}/events`],
  ['GET', '/api/v1/nothing'],
]

describe('[API1] A28 keys', () => {
  test('no key, an unknown one, or one in the query string is 401, and nothing is published', async () => {
    const server = await withKeys()
    for (const [method, path, body] of NEED_KEY) {
      const attempts: [string, Record<string, string>][] = [
        [path, {}],
        [path, { 'x-api-key': 'wrong' }],
        [path, { 'x-api-key': '' }],
        [path, { 'x-api-key': `${KEY}x` }],
        [path, { 'x-api-key': KEY.slice(0, -1) }],
        [path, { authorization: `Bearer wrong` }],
        [path, { authorization: `Basic ${KEY}` }],
        [path, { authorization: KEY }],
        [`${path}?key=${KEY}&api_key=${KEY}&x-api-key=${KEY}&token=${KEY}`, {}],
        [path, { cookie: `x-api-key=${KEY}` }],
        [path, { authorization: `Bearer ${tokenFor('ann', { role: 'admin' })}` }],
        [`/k/wrong${path}`, {}],
      ]
      for (const [at, headers] of attempts) {
        const { status, body: answer } = await call(server, method, at, body, headers)
        expect([status, answer.success, answer.error?.code], `${method} ${at} ${JSON.stringify(headers)}`).toEqual([
          401,
          false,
          'unauthenticated',
        ])
      }
    }
    const ann = await connect(server, 'ann')
    expect((await join(ann, channel)).head).toBe(0)
  })

  test('each key opens, as a bearer, a header, or a path', async () => {
    const server = await withKeys()
    for (const key of [KEY, 'an-older-key-which-still-works']) {
      expect((await call(server, 'GET', '/stats', undefined, { authorization: `Bearer ${key}` })).status).toBe(200)
      expect((await call(server, 'GET', '/stats', undefined, { 'x-api-key': key })).status).toBe(200)
      expect((await call(server, 'GET', `/k/${key}/stats`, undefined, {})).status).toBe(200)
      expect((await call(server, 'POST', `/k/${key}/broadcast`, { ...fact, projectId: 'p1' }, {})).status).toBe(200)
    }
  })

  test('development without keys serves callers of this computer, but not through a proxy', async () => {
    const server = await startServer()
    expect((await call(server, 'GET', '/stats', undefined, {})).status).toBe(200)
    expect((await call(server, 'GET', '/stats', undefined, { 'x-forwarded-for': '203.0.113.9' })).status).toBe(401)
  })

  test('development without keys refuses a key that it does not know', async () => {
    const server = await startServer()
    for (const headers of [{ 'x-api-key': 'wrong' }, { authorization: 'Bearer wrong' }, { 'x-api-key': '' }]) {
      expect(await call(server, 'GET', '/stats', undefined, headers)).toMatchObject({
        status: 401,
        body: { error: { code: 'unauthenticated', message: expect.stringContaining('No API_KEYS are set') } },
      })
    }
    for (const path of ['/k/wrong/stats', '/k/%/stats']) {
      expect((await call(server, 'GET', path, undefined, {})).status, path).toBe(401)
    }
  })

  test('development without keys serves no page of another site', async () => {
    const server = await startServer()
    const zoe = await connect(server, 'zoe')
    const paths = ['/api/v1/users/zoe/revoke', '/api/v1/users/zoe/disconnect', `/api/v1/channels/${channel}/messages`]
    const elsewhere: Record<string, string>[] = [
      { origin: 'https://elsewhere.example' },
      { origin: 'null' },
      { origin: 'http://localhost.elsewhere.example' },
      { 'sec-fetch-site': 'cross-site' },
    ]
    for (const headers of elsewhere) {
      for (const path of paths) {
        // As a page may have it sent unasked, with mode no-cors: without a content type.
        const response = await fetch(server.url + path, { method: 'POST', headers })
        expect([response.status, await response.json()], `${path} ${JSON.stringify(headers)}`).toMatchObject([
          401,
          { error: { code: 'unauthenticated', message: expect.stringContaining('no page of another site') } },
        ])
      }
      expect((await call(server, 'GET', '/stats', undefined, headers)).status).toBe(401)
    }
    await expectReply(zoe, 'ping', {})
    const here = { origin: 'http://localhost:5173', 'sec-fetch-site': 'same-site' }
    expect((await call(server, 'GET', '/stats', undefined, here)).status).toBe(200)
    expect((await call(server, 'POST', '/api/v1/users/zoe/disconnect', undefined, here)).body.sessions).toBe(1)
  })

  test('whoever shows a key is believed, wherever the page is from', async () => {
    const server = await withKeys()
    const headers = { 'x-api-key': KEY, origin: 'https://elsewhere.example', 'sec-fetch-site': 'cross-site' }
    expect((await call(server, 'GET', '/stats', undefined, headers)).status).toBe(200)
  })

  test('production without keys serves nobody', async () => {
    const server = await startServer({
      nodeEnv: 'production',
      access: 'open',
      jwtSecrets: ['Zk3!vQ9#pL7$wX2@rT8%yB5^nM4&cD6*'],
      demo: false,
    })
    expect((await call(server, 'GET', '/stats', undefined, {})).status).toBe(401)
    expect((await call(server, 'GET', '/stats', undefined, { 'x-api-key': '' })).status).toBe(401)
  })
})

describe('[API2] operationId makes a POST safe to repeat', () => {
  test('events: one', async () => {
    const server = await withKeys()
    const ann = await connect(server, 'ann')
    await join(ann, channel)
    const path = `/api/v1/channels/${channel}/events`
    const first = await call(server, 'POST', path, { ...fact, operationId: 'op', userId: 'app' })
    expect(first).toMatchObject({
      status: 200,
      body: { success: true, results: [{ ok: true, seq: 1, operationId: 'op' }] },
    })
    const again = await call(server, 'POST', path, { ...fact, operationId: 'op', userId: 'app' })
    expect(again.body.results).toEqual([{ ...(first.body.results as object[])[0], duplicate: true }])
    expect(await call(server, 'POST', path, { ...fact, operationId: 'op', userId: 'other' })).toMatchObject({
      status: 409,
      body: { success: false, error: { code: 'operation_mismatch' } },
    })
    await call(server, 'POST', path, fact)
    await expectEvent(ann, 'task:update', ({ seq }) => seq === 2)
    expect(factsOf(ann, channel)).toHaveLength(2)
    expect(factsOf(ann, channel)[0]).toMatchObject({ user: { id: 'app' }, payload: fact.payload, operationId: 'op' })
  })

  test('events: many, each with its own result, in order', async () => {
    const server = await withKeys()
    const path = `/api/v1/channels/${channel}/events`
    const events = [
      { ...fact, operationId: 'a' },
      { ...fact, type: 'no fact name' },
      { ...fact, operationId: 'a' },
      { ...fact, operationId: 'a', payload: { other: true } },
      { type: 'invoice:paid', payload: {} },
      null,
      { type: 'channel:join', payload: {} },
      { type: 'a:b', payload: 'text' },
    ]
    const { status, body } = await call(server, 'POST', path, { events })
    expect(status).toBe(200)
    const results = body.results as { ok: boolean; seq?: number; duplicate?: boolean; error?: { code: string } }[]
    expect(results.map(({ ok, seq, duplicate, error }) => [ok, seq ?? error?.code, duplicate])).toEqual([
      [true, 1, undefined],
      [false, 'invalid', undefined],
      [true, 1, true],
      [false, 'operation_mismatch', undefined],
      [true, 2, undefined],
      [false, 'invalid', undefined],
      [false, 'invalid', undefined],
      [false, 'invalid', undefined],
    ])
    for (const bad of [{ events: [] }, { events: 'x' }, { events: {} }, { events: Array(101).fill(fact) }]) {
      expect(await call(server, 'POST', path, bad)).toMatchObject({ status: 400, body: { error: { code: 'invalid' } } })
    }
    const ann = await connect(server, 'ann')
    expect((await join(ann, channel)).head).toBe(2)
  })

  test('events: one that breaks takes nothing from the others, and is answered for like them', async () => {
    const payload = z.looseObject({}).refine(({ n }) => {
      if (n === 'breaks') throw new TypeError('a secret of the app')
      return true
    })
    const server = await startServer({ apiKeys: [KEY], events: { 'card:move': { payload } } })
    const path = `/api/v1/channels/${channel}/events`
    const events = [1, 'breaks', 2].map((n) => ({ type: 'card:move', payload: { n } }))
    const { status, body } = await call(server, 'POST', path, { events })
    expect([status, body.results]).toMatchObject([
      200,
      [
        { ok: true, seq: 1 },
        { ok: false, error: { code: 'internal', retryable: true } },
        { ok: true, seq: 2 },
      ],
    ])
    expect(JSON.stringify(body)).not.toContain('secret')
    expect((await call(server, 'POST', path, events[1])).status).toBe(500)
  })

  test('broadcast', async () => {
    const server = await withKeys()
    const ann = await connect(server, 'ann')
    await join(ann, channel)
    const body = {
      type: 'TASK_UPDATE',
      projectId: 'p1',
      payload: { id: 't1' },
      operationId: 'op',
      userId: 'u1',
      timestamp: 1_700_000_000_000,
    }
    const first = await call(server, 'POST', '/broadcast', body)
    expect(first).toMatchObject({
      status: 200,
      body: {
        success: true,
        message: 'Broadcast sent',
        projectId: 'p1',
        clientCount: 1,
        epoch: expect.any(String),
        seq: 1,
      },
    })
    expect(await expectEvent(ann, 'task:update')).toMatchObject({
      user: { id: 'u1' },
      timestamp: 1_700_000_000_000,
      // [D5] Of older callers, whose ids are made from a clock.
      operationId: expect.stringMatching(/^op~http\./),
    })
    expect((await call(server, 'POST', '/broadcast', body)).body).toMatchObject({ seq: 1, duplicate: true })
    expect(
      (await call(server, 'POST', '/broadcast', { type: 'task:move', channel: 'room:r1', payload: {} })).body,
    ).toMatchObject({ clientCount: 0, seq: 1 })
    expect(
      (await call(server, 'POST', '/broadcast', { type: 'PROJECT_DELETE_ALL', projectId: 'p1', payload: {} })).body.seq,
    ).toBe(2)
    await expectEvent(ann, 'project:delete-all')
    for (const missing of [{}, { type: 'TASK_UPDATE' }, { projectId: 'p1' }, []]) {
      const { status, body: answer } = await call(server, 'POST', '/broadcast', missing)
      expect([status, answer]).toEqual([400, { error: 'Missing required fields: type, projectId' }])
    }
    for (const bad of [
      { ...body, projectId: '../x' },
      { ...body, projectId: 7 },
      { ...body, type: 'task:update', payload: 'text' },
      { ...body, type: 7 },
      { ...body, timestamp: 'now' },
    ]) {
      expect(await call(server, 'POST', '/broadcast', { ...bad, operationId: 'other' })).toMatchObject({
        status: 400,
        body: { error: { code: 'invalid' } },
      })
    }
  })
})

describe('[API3] what is wrong is said in JSON', () => {
  test('malformed JSON is 400, over 100 kB is 413, an unknown route is 404', async () => {
    const server = await withKeys()
    for (const bad of ['{"type":', 'null null', '{"a":1}}', 'text']) {
      expect(await call(server, 'POST', '/broadcast', bad)).toMatchObject({
        status: 400,
        body: { success: false, error: { code: 'invalid', retryable: false } },
      })
    }
    const big = { ...fact, projectId: 'p1', payload: { text: 'x'.repeat(110_000) } }
    expect(await call(server, 'POST', '/broadcast', big)).toMatchObject({
      status: 413,
      body: { success: false, error: { code: 'too_large' } },
    })
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['PUT', '/broadcast'],
      ['DELETE', '/health'],
      ['GET', '/api/v1/nothing'],
      ['GET', '/%E0%A4%A'],
      ['POST', '/socket.iox'],
    ] as const) {
      const { status, body, headers } = await call(server, method, path, method === 'GET' ? undefined : {})
      expect([404, 400], path).toContain(status)
      expect(body.success, path).toBe(false)
      expect(headers.get('content-type')).toContain('application/json')
    }
  })

  test('a body that is not sent as JSON is told so, not taken for nothing', async () => {
    const server = await withKeys()
    const body = JSON.stringify({ ...fact, projectId: 'p1' })
    for (const path of ['/broadcast', `/api/v1/channels/${channel}/events`]) {
      for (const type of ['application/x-www-form-urlencoded', 'text/plain', '']) {
        const headers = { 'x-api-key': KEY, 'content-type': type }
        expect(await call(server, 'POST', path, body, headers), `${path} ${type}`).toMatchObject({
          status: 400,
          body: { error: { code: 'invalid', message: 'send the body as JSON with Content-Type: application/json' } },
        })
      }
      const headers = { 'x-api-key': KEY, 'content-type': 'application/vnd.app+json' }
      expect((await call(server, 'POST', path, body, headers)).status).toBe(200)
    }
    const empty = await fetch(`${server.url}/broadcast`, { method: 'POST', headers: { 'x-api-key': KEY } })
    expect(await empty.json()).toEqual({ error: 'Missing required fields: type, projectId' })
  })

  test('a field is told by its own name, in plain words', async () => {
    const server = await withKeys()
    const message = (error: unknown) => (error as { message: string }).message
    for (const [projectId, what] of [
      ['../x', 'expected an id of at most 128 letters, digits and _ . @ -, like p1'],
      [7, 'expected text, got a number'],
    ]) {
      const { status, body } = await call(server, 'POST', '/broadcast', { ...fact, projectId })
      expect([status, message(body.error)]).toEqual([400, `broadcast: projectId: ${what}`])
      expect(body.error).toMatchObject({ details: [{ path: 'projectId', message: what }] })
    }
    const { body } = await call(server, 'POST', `/api/v1/channels/${channel}/events`, { type: 'a:b', payload: 'text' })
    expect(message(body.error)).toBe('event: payload: expected an object, got text')
  })

  test('the payload of a fact that the protocol knows is checked', async () => {
    const server = await withKeys()
    for (const type of ['message:send', 'widget:update', 'layout:restore']) {
      const error = { code: 'invalid', message: expect.stringContaining(`${type}: `) }
      const path = `/api/v1/channels/${channel}/events`
      expect(await call(server, 'POST', path, { type, payload: {} })).toMatchObject({ status: 400, body: { error } })
      await expect(server.server.publish(channel, { type, payload: {} })).rejects.toMatchObject(error)
    }
    expect((await call(server, 'POST', '/broadcast', { ...fact, projectId: 'p1' })).body.seq).toBe(1)
  })

  test('A25 errors hold no stack and no path', async () => {
    const server = await withKeys()
    const answers = [
      await call(server, 'POST', '/broadcast', '{'),
      await call(server, 'GET', '/api/v1/channels/%00/events'),
      await call(server, 'POST', `/api/v1/channels/${channel}/events`, { type: "';drop table events;--", payload: {} }),
      await call(server, 'GET', `/api/v1/channels/${channel}/events?after=x`),
    ]
    for (const { status, body } of answers) {
      expect(status).toBe(400)
      expect(JSON.stringify(body)).not.toMatch(/at .*\.[jt]s:|node_modules|\/work\/|SQLITE|stack/)
    }
  })
})

describe('history over HTTP', () => {
  test('GET events reads a stretch of the log', async () => {
    const server = await withKeys()
    for (let i = 0; i < 5; i++) await server.server.publish(channel, { type: 'a:b', payload: { i } })
    const path = `/api/v1/channels/${channel}/events`
    const seqs = async (query: string) =>
      ((await call(server, 'GET', path + query)).body.events as { seq: number }[]).map(({ seq }) => seq)
    expect((await call(server, 'GET', path)).body).toMatchObject({
      success: true,
      head: 5,
      floor: 1,
      epoch: expect.any(String),
    })
    expect(await seqs('')).toEqual([1, 2, 3, 4, 5])
    expect(await seqs('?after=3')).toEqual([4, 5])
    expect(await seqs('?after=1&limit=2')).toEqual([2, 3])
    expect(await seqs('?before=3&limit=1')).toEqual([2])
    for (const bad of ['?after=-1', '?limit=0', '?limit=301', '?before=x', '?after=1&after=2']) {
      expect(await call(server, 'GET', path + bad), bad).toMatchObject({
        status: 400,
        body: { error: { code: 'invalid' } },
      })
    }
    expect(await call(server, 'GET', '/api/v1/channels/nowhere/events')).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid' } },
    })
  })
})

describe('what can be seen', () => {
  test('[D6] /health answers everybody, and / everybody who is no browser', async () => {
    const server = await withKeys()
    const ann = await connect(server, 'ann')
    await join(ann, channel)
    for (const path of ['/health', '/']) {
      const { status, body } = await call(server, 'GET', path, undefined, {})
      expect(status).toBe(200)
      expect(body).toEqual({
        status: 'healthy',
        service: 'Convene',
        timestamp: expect.any(Number),
        uptime: expect.any(Number),
        connections: 1,
        clients: 1,
        // p1, and not ann's own channel
        rooms: 1,
        projects: 1,
      })
    }
  })

  test('/livez and /readyz', async () => {
    const server = await withKeys()
    expect(await call(server, 'GET', '/livez', undefined, {})).toMatchObject({ status: 200, body: { status: 'ok' } })
    expect(await call(server, 'GET', '/readyz', undefined, {})).toMatchObject({
      status: 200,
      body: { status: 'ok', checks: { store: 'ok', redis: 'off', draining: false } },
    })
  })

  test('/stats counts by channel and by node', async () => {
    const server = await startServer({ apiKeys: [KEY], serverId: 'node-1' })
    const [ann, ben] = [await connect(server, 'ann'), await connect(server, 'ben')]
    await join(ann, channel)
    await join(ben, channel)
    expect((await call(server, 'GET', '/stats')).body).toEqual({
      totalClients: 2,
      totalProjects: 1,
      projectStats: { p1: { clientCount: 2, clients: [ann.connected.socketId, ben.connected.socketId] } },
      channels: { [channel]: { sessions: 2 }, 'user:ann': { sessions: 1 }, 'user:ben': { sessions: 1 } },
      nodes: { 'node-1': { sessions: 2, channels: 3 } },
    })
  })

  test('/metrics is Prometheus text, for callers with a key, and names nobody', async () => {
    const server = await startServer({ apiKeys: [KEY], serverId: 'node-1' })
    const marker = await connect(server, 'somebody-marked')
    await join(marker, channel)
    await server.server.publish(channel, { type: 'a:b', payload: {} })
    await expectEvent(marker, 'a:b')
    const text = await (await fetch(`${server.url}/metrics`, { headers: { 'x-api-key': KEY } })).text()
    expect(text).toContain('convene_facts_total{server="node-1"} 1')
    expect(text).toContain('convene_deliveries_total{server="node-1"} 1')
    expect(text).toContain('convene_sessions{server="node-1"} 1')
    expect(text).toMatch(/convene_reply_seconds_count\{.*event="channel:join".*\} 1/)
    expect(text).not.toContain('somebody-marked')
  })

  test('/metrics on a port of its own needs no key, and is nowhere else', async () => {
    const metricsPort = await freePort()
    const server = await startServer({ apiKeys: [KEY], metricsPort })
    const scraped = await fetch(`http://127.0.0.1:${metricsPort}/metrics`)
    expect(scraped.headers.get('content-type')).toContain('text/plain')
    expect(await scraped.text()).toContain('convene_sessions')
    expect((await fetch(`http://127.0.0.1:${metricsPort}/stats`)).status).toBe(404)
    expect((await call(server, 'GET', '/metrics')).status).toBe(404)
  })
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

test('CORS lets the allowed origins in, with credentials, and no other', async () => {
  const server = await startServer({ apiKeys: [KEY], allowedOrigins: ['https://app.example.com'] })
  const preflight = (origin: string) =>
    fetch(`${server.url}/broadcast`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    })
  const good = await preflight('https://app.example.com')
  expect(good.status).toBe(204)
  expect(good.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
  expect(good.headers.get('access-control-allow-credentials')).toBe('true')
  expect((await preflight('https://evil.com')).headers.get('access-control-allow-origin')).toBeNull()
})
