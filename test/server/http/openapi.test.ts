import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import { describe, expect, test } from 'vitest'
import { parseOptions } from '../../../src/server/config/config.ts'
import { startInstance } from '../../../src/server/instance.ts'
import { apiOf, KEY } from '../../support/api.ts'
import { cleanup } from '../../support/cleanup.ts'
import { connect, join } from '../../support/connect.ts'
import { expectDescribed, type OpenApi, type Operation, openApiOf } from '../../support/described.ts'
import { danglingReferences } from '../../support/references.ts'
import { SECRET, startServer } from '../../support/start-server.ts'

const channel = 'project:p1'
const events = `/api/v1/channels/${channel}/events`
const fact = { type: 'task:update', payload: { id: 't1' } }

function* operationsOf(document: OpenApi): Iterable<[method: string, path: string, operation: Operation]> {
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) yield [method, path, operation]
  }
}

/** An instance on an HTTP server of the test's, which goes on answering when the instance drains or stops. */
async function startApp() {
  const http = createServer()
  const options = { jwtSecrets: [SECRET], databaseUrl: 'sqlite::memory:', logLevel: 'silent', demo: false } as const
  const instance = await startInstance(parseOptions({ ...options, apiKeys: [KEY] }), {}, http)
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= instance.stop()
    return stopped
  }
  cleanup(stop)
  http.on('request', instance.app)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  cleanup(() => http.close())
  return { ...instance, stop, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }
}

describe('the document', () => {
  test('is OpenAPI 3.1: each operation whole, each parameter of the path named, each reference leads somewhere', async () => {
    const document = await openApiOf(await startServer())
    expect(document.openapi).toMatch(/^3\.1\./)
    expect(danglingReferences(document)).toEqual([])
    const names = new Set<string>()
    for (const [method, path, operation] of operationsOf(document)) {
      const what = `${method} ${path}`
      expect(['get', 'post', 'put', 'patch', 'delete'], what).toContain(method)
      expect(names, what).not.toContain(operation.operationId)
      names.add(operation.operationId)
      expect(operation.summary, what).toMatch(/^[A-Z].*\.$/)
      const inPath = (operation.parameters ?? []).filter((one) => one.in === 'path')
      expect(
        inPath.every(({ required }) => required),
        what,
      ).toBe(true)
      expect(inPath.map(({ name }) => `{${name}}`).sort(), what).toEqual((path.match(/\{\w+\}/g) ?? []).sort())
      for (const status of ['200', '500']) expect(Object.keys(operation.responses), what).toContain(status)
      for (const name of operation.security.flatMap(Object.keys)) {
        expect(Object.keys(document.components.securitySchemes), what).toContain(name)
      }
    }
  })

  test('has every route that is mounted, and no other', async () => {
    const server = await startApp()
    const mounted = mountedOn(server.app)
    const described = [...operationsOf(await openApiOf(server))].map(([method, path]) => `${method} ${path}`)
    expect(described.sort()).toEqual(mounted.sort())
    expect(described).toContain('get /openapi.json')
  })

  test('[API1] says who may call, and so it is: without a key or a token, what is not public is 401', async () => {
    const server = await startServer({ apiKeys: [KEY], demo: false })
    const document = await openApiOf(server)
    for (const [method, path, operation] of operationsOf(document)) {
      const at = path.replace(/\{channel\}/, channel).replace(/\{\w+\}/g, 'x1')
      const { status } = await fetch(server.url + at, { method: method.toUpperCase() })
      const isPublic =
        operation.security.length === 0 || operation.security.some((one) => Object.keys(one).length === 0)
      if (!isPublic) expect(status, `${method} ${path}`).toBe(401)
      else expect(status, `${method} ${path}`).toBe(200)
    }
  })

  test('is public and the same for all: it tells no secret and counts nobody', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const documents = () =>
      Promise.all(['openapi', 'asyncapi'].map(async (name) => (await fetch(`${server.url}/${name}.json`)).text()))
    const before = await documents()
    await join(await connect(server, 'somebody-marked'), channel)
    await server.server.publish(channel, fact)
    const after = await documents()
    expect(after).toEqual(before)
    for (const text of after) {
      for (const secret of [KEY, SECRET, 'somebody-marked', 'sqlite']) expect(text).not.toContain(secret)
    }
  })
})

/** What Express would route, as `get /path`. Its own type hides the stack. */
function mountedOn(app: Express): string[] {
  interface Layer {
    readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> }
    readonly handle: { readonly stack?: readonly Layer[] }
  }
  const listed = (layers: readonly Layer[]): string[] =>
    layers.flatMap(({ route, handle }) =>
      route
        ? Object.keys(route.methods).map((method) => `${method} ${route.path.replace(/:(\w+)/g, '{$1}')}`)
        : listed(handle.stack ?? []),
    )
  return listed((app as unknown as { router: { stack: readonly Layer[] } }).router.stack)
}

describe('what a running server answers is as described', () => {
  test('what is public', async () => {
    const server = await startApp()
    const api = await apiOf(server)
    for (const path of ['/health', '/', '/livez', '/readyz', '/openapi.json', '/asyncapi.json']) {
      expect((await api('GET', path, undefined, null)).status, path).toBe(200)
    }
    await server.drain()
    expect((await api('GET', '/readyz')).status).toBe(503)
    await server.stop()
    expect((await api('GET', '/readyz')).status).toBe(503)
  })

  test('stats, metrics and presence', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const api = await apiOf(server)
    const presence = `/api/v1/channels/${channel}/presence`
    await join(await connect(server, 'ann'), channel, { state: { busy: true } })
    for (const path of ['/stats', '/metrics', presence]) {
      expect((await api('GET', path)).status, path).toBe(200)
      expect((await api('GET', path, undefined, 'wrong')).status, path).toBe(401)
    }
    expect((await api('GET', presence)).body).toMatchObject({
      success: true,
      members: [{ user: { id: 'ann' }, connections: 1, state: { busy: true } }],
      connections: 1,
    })
    expect((await api('GET', '/api/v1/channels/nowhere/presence')).status).toBe(400)
  })

  test('events', async () => {
    const server = await startApp()
    const api = await apiOf(server)
    const post = async (body: unknown, as?: string) => (await api('POST', events, body, as)).status
    const named = { ...fact, operationId: 'op', userId: 'ann', timestamp: 1_700_000_000_000 }
    expect(await post(named)).toBe(200)
    expect(await post(named)).toBe(200)
    expect(await post({ events: [fact, { type: 'x' }, { ...named, payload: {} }] })).toBe(200)
    expect(await post({ ...named, payload: {} })).toBe(409)
    expect(await post({ type: 'x' })).toBe(400)
    expect(await post({ events: [] })).toBe(400)
    expect(await post('{"type":')).toBe(400)
    expect(await post({ ...fact, payload: { text: 'x'.repeat(110_000) } })).toBe(413)
    expect(await post({ type: 'message:edit', payload: { messageId: 'none', content: 'Hi' } })).toBe(404)
    expect(await post(fact, 'wrong')).toBe(401)
    expect((await api('GET', `${events}?limit=2`)).status).toBe(200)
    expect((await api('GET', `${events}?limit=0`)).status).toBe(400)
    expect((await api('GET', events, undefined, 'wrong')).status).toBe(401)
    await server.drain()
    expect(await post(fact)).toBe(503)
    await server.stop()
    expect([500, 503]).toContain((await api('GET', events)).status)
  })

  test('broadcast, in the older words too', async () => {
    const server = await startApp()
    const api = await apiOf(server)
    const post = async (body: unknown, as?: string) => (await api('POST', '/broadcast', body, as)).status
    const named = { ...fact, type: 'TASK_UPDATE', projectId: 'p1', operationId: 'op' }
    expect(await post(named)).toBe(200)
    expect(await post(named)).toBe(200)
    expect(await post({ ...named, payload: {} })).toBe(200)
    const ours = { ...fact, channel: 'room:r1', operationId: 'op' }
    expect(await post(ours)).toBe(200)
    expect(await post({ ...ours, payload: {} })).toBe(409)
    expect(await post({})).toBe(400)
    expect(await post({ ...named, projectId: '../x' })).toBe(400)
    expect(await post({ ...named, payload: { text: 'x'.repeat(110_000) } })).toBe(413)
    expect(await post(named, 'wrong')).toBe(401)
    await server.drain()
    expect(await post(named)).toBe(503)
  })
})

test('expectDescribed sees what is missing, misnamed, of another kind or not described', async () => {
  const document = await openApiOf(await startServer())
  const good = { success: true, members: [], connections: 0 }
  const path = `/api/v1/channels/${channel}/presence`
  expectDescribed(document, 'GET', path, 200, good)
  const member = { user: { id: 'ann' }, connections: 1, state: {}, joinedAt: 1 }
  const wrong: [status: number, body: unknown][] = [
    [200, { members: [], connections: 0 }],
    [200, { ...good, connections: '0' }],
    [200, { ...good, conections: 0 }],
    [200, { ...good, members: [{ ...member, user: { id: 'ann', nmae: 'Ann' } }] }],
    [418, good],
    [401, { success: false, error: { code: 'forbidden', message: 'No', retryable: false } }],
    [401, { success: false, error: { code: 'unauthenticated', message: 'No' } }],
    [401, { success: false, error: { code: 'unauthenticated', message: 'No', retryable: false, stack: '' } }],
  ]
  for (const [status, body] of wrong) {
    expect(() => expectDescribed(document, 'GET', path, status, body), JSON.stringify(body)).toThrow()
  }
  expect(() => expectDescribed(document, 'PUT', path, 200, good)).toThrow(/no such operation/)
})
