import type { AddressInfo } from 'node:net'
import express from 'express'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ConveneError } from '../../../src/protocol/errors.ts'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import { createCallers } from '../../../src/server/http/callers.ts'
import { errorHandler } from '../../../src/server/http/errors.ts'
import { keyFromPath } from '../../../src/server/http/keys.ts'
import { mount } from '../../../src/server/http/mount.ts'
import { type Caller, OtherStatus, type Route, route } from '../../../src/server/http/route.ts'
import { createLogger } from '../../../src/server/observe/logger.ts'
import { KEY } from '../../support/api.ts'
import { cleanup } from '../../support/cleanup.ts'
import { SECRET } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'

const empty = z.object({})

async function serve(
  routes: readonly Route[],
  { apiKeys = [KEY], draining = false, rate = 1000 } = {},
): Promise<string> {
  const authenticator = createAuthenticator({ secrets: [SECRET], nextAuth: false })
  const app = express().use(keyFromPath)
  const whoCalls = createCallers({
    apiKeys,
    rateFactsPerSecond: rate,
    loopbackWithoutKey: true,
    isOriginAllowed: (origin) => origin === undefined,
    authenticate: async (token) => (await authenticator.authenticate({ token })).identity,
    authenticateOlder: () => Promise.reject(new ConveneError('unauthenticated', 'Authentication required')),
  })
  const logger = createLogger({ level: 'silent', pretty: false, serverId: 'test' })
  mount(app, routes, { whoCalls, logger, isDraining: () => draining })
  app.use(errorHandler(logger))
  const http = app.listen(0, '127.0.0.1')
  cleanup(() => http.close())
  await new Promise((resolve) => http.once('listening', resolve))
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}

async function call(url: string, init: RequestInit = {}) {
  const response = await fetch(url, init)
  const body = (await response.json()) as Record<string, unknown> & { error?: { code: string; message: string } }
  return { status: response.status, body }
}

const nameOf = (caller: Caller) => (caller.kind === 'user' ? caller.identity.id : 'a service')
const who = z.object({ who: z.string() })
const CALLED = [
  route({
    method: 'get',
    path: '/key',
    name: 'a',
    summary: '',
    may: 'key',
    reply: who,
    handle: ({ caller }) => ({ who: nameOf(caller) }),
  }),
  route({
    method: 'get',
    path: '/user',
    name: 'b',
    summary: '',
    may: 'user',
    reply: who,
    handle: ({ caller }) => ({ who: caller.identity.id }),
  }),
  route({
    method: 'get',
    path: '/both',
    name: 'c',
    summary: '',
    may: 'key or user',
    reply: who,
    handle: ({ caller }) => ({ who: nameOf(caller) }),
  }),
]

/** Who each of the three rows takes a caller for: an id, `a service`, or the code of the refusal. */
async function takenFor(url: string, headers: Record<string, string>, prefix = ''): Promise<(string | undefined)[]> {
  const answers = await Promise.all(['key', 'user', 'both'].map((path) => call(`${url}${prefix}/${path}`, { headers })))
  return answers.map(({ body }) => (body.who as string | undefined) ?? body.error?.code)
}

test('[API1] a key is a service and a token is a person, each only where it may be', async () => {
  const url = await serve(CALLED)
  const ann = `Bearer ${tokenFor('ann')}`
  const not = 'unauthenticated'
  expect(await takenFor(url, { authorization: `Bearer ${KEY}` })).toEqual(['a service', not, 'a service'])
  expect(await takenFor(url, { 'x-api-key': KEY })).toEqual(['a service', not, 'a service'])
  expect(await takenFor(url, {}, `/k/${KEY}`)).toEqual(['a service', not, 'a service'])
  expect(await takenFor(url, { authorization: ann })).toEqual([not, 'ann', 'ann'])
  const expired = `Bearer ${tokenFor('ann', { exp: 1_700_000_000 })}`
  expect(await takenFor(url, { authorization: expired })).toEqual([not, 'token_expired', 'token_expired'])
  const forged = `Bearer ${tokenFor('ann', {}, 'a-secret-of-somebody-else-that-is-long')}`
  const nobodies: [headers: Record<string, string>, prefix?: string][] = [
    [{}],
    [{ authorization: forged }],
    [{ authorization: 'Bearer wrong' }],
    [{ authorization: tokenFor('ann') }],
    [{ 'x-api-key': tokenFor('ann') }],
    [{ 'x-api-key': 'wrong' }],
    [{}, `/k/${tokenFor('ann')}`],
    [{ cookie: `token=${tokenFor('ann')}` }],
  ]
  for (const [headers, prefix] of nobodies) {
    expect(await takenFor(url, headers, prefix), JSON.stringify(headers)).toEqual([not, not, not])
  }
  const query = `?token=${tokenFor('ann')}&key=${KEY}`
  for (const path of ['/key', '/user', '/both']) expect((await call(url + path + query)).status).toBe(401)
})

test('a person may ask only so much; each for themselves, and a key any number', async () => {
  const url = await serve(CALLED, { rate: 2 })
  const ask = (token: string) => fetch(`${url}/both`, { headers: { authorization: `Bearer ${token}` } })
  const refused: Response[] = []
  for (let i = 0; i < 40 && refused.length === 0; i++) {
    const response = await ask(tokenFor('ann', { n: i }))
    if (response.status !== 200) refused.push(response)
  }
  expect(refused[0]?.status).toBe(429)
  expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await ask(tokenFor('ben'))).status).toBe(200)
  for (let i = 0; i < 20; i++) expect((await ask(KEY)).status).toBe(200)
})

test('[API1] development without keys: this computer is a service, but whoever shows a token is its person', async () => {
  const url = await serve(CALLED, { apiKeys: [] })
  const not = 'unauthenticated'
  expect(await takenFor(url, {})).toEqual(['a service', not, 'a service'])
  expect(await takenFor(url, { authorization: `Bearer ${tokenFor('ann')}` })).toEqual([not, 'ann', 'ann'])
  expect(await takenFor(url, { authorization: 'Bearer wrong' })).toEqual([not, not, not])
  expect(await takenFor(url, { 'x-api-key': 'wrong' })).toEqual([not, not, not])
})

test('[API1] what is wrong with a key is said: that there are none, that it is a token, or that it is unknown', async () => {
  const [keyless, keyed] = [await serve(CALLED, { apiKeys: [] }), await serve(CALLED)]
  const told = async (url: string, headers: Record<string, string>) =>
    (await call(url, { headers })).body.error?.message
  const none = 'No API_KEYS are set, so no key is right; callers on this computer show none'
  const unknown = 'This key is not one of API_KEYS'
  const token = "This takes a key, not a person's token"
  const person = 'A key speaks for no person: this needs Authorization: Bearer <token>'
  for (const headers of [{ authorization: 'Bearer wrong' }, { 'x-api-key': 'wrong' }]) {
    expect(await told(`${keyless}/key`, headers)).toBe(none)
    expect(await told(`${keyed}/key`, headers)).toBe(unknown)
  }
  for (const url of [keyless, keyed]) {
    for (const bearer of [tokenFor('ann'), 'eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn']) {
      expect(await told(`${url}/key`, { authorization: `Bearer ${bearer}` })).toBe(token)
    }
    expect(await told(`${url}/user`, { 'x-api-key': 'wrong' })).toBe(person)
  }
  expect(await told(`${keyed}/key`, { authorization: 'Bearer two.parts' })).toBe(unknown)
  expect(await told(`${keyed}/user`, { authorization: `Bearer ${KEY}` })).toBe(person)
})

const READ = route({
  method: 'post',
  path: '/rooms/:room/:seq',
  name: 'read',
  summary: '',
  may: 'public',
  params: z.object({ room: z.string().regex(/^[a-z]+$/, 'expected letters'), seq: z.int().min(1) }),
  query: z.object({ limit: z.int().min(1).max(9).default(5), after: z.int().optional(), q: z.string().optional() }),
  body: z.object({ role: z.enum(['viewer', 'editor']) }),
  reply: z.looseObject({}),
  handle: ({ params, query, body }) => ({ params, query, body }),
})

test('path, query and body come parsed, numbers out of text, or the field is named', async () => {
  const url = await serve([READ])
  const post = (path: string, body: unknown = { role: 'editor' }) =>
    call(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  expect((await post('/rooms/a/7?after=-3&q=12&other=1', { role: 'viewer', other: 1 })).body).toEqual({
    success: true,
    params: { room: 'a', seq: 7 },
    query: { limit: 5, after: -3, q: '12' },
    body: { role: 'viewer' },
  })
  const wrong: [path: string, body: unknown, message: string][] = [
    ['/rooms/A/7', undefined, 'path: room: expected letters'],
    ['/rooms/a/x', undefined, 'path: seq: expected a number, got text'],
    ['/rooms/a/7?limit=10', undefined, 'query: limit: expected number to be <=9'],
    ['/rooms/a/7?limit=1&limit=2', undefined, 'query: limit: expected a number, got an array'],
    ['/rooms/a/7?limit=1e3', undefined, 'query: limit: expected a number, got text'],
    ['/rooms/a/7', { role: 'owner' }, 'body: role: expected one of "viewer"|"editor"'],
    ['/rooms/a/7', [], 'body: expected an object, got an array'],
  ]
  for (const [path, body, message] of wrong) {
    const { status, body: answer } = await post(path, body)
    expect([status, answer.error?.code, answer.error?.message], path).toEqual([400, 'invalid', message])
  }
  const deep = JSON.parse(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`) as object
  expect((await post('/rooms/a/7', { role: 'editor', ...deep })).body.error?.message).toBe(
    'body: expected at most 32 levels of arrays and objects',
  )
  const form = await call(`${url}/rooms/a/7`, { method: 'POST', body: new URLSearchParams({ role: 'editor' }) })
  expect(form.body.error?.message).toBe('send the body as JSON with Content-Type: application/json')
})

test('a draining server takes no write, and answers what reads', async () => {
  const rows = (['get', 'post', 'put', 'patch', 'delete'] as const).map((method) =>
    route({ method, path: '/', name: method, summary: '', may: 'public', reply: empty, handle: () => ({}) }),
  )
  const url = await serve(rows, { draining: true })
  for (const { method } of rows) {
    const { status, body } = await call(url, { method: method.toUpperCase() })
    expect([status, body.error?.code ?? body.success], method).toEqual(
      method === 'get' ? [200, true] : [503, 'draining'],
    )
  }
})

test('a reply goes out under success, as it is, as text, or with another status; what is thrown as its error', async () => {
  const row = { method: 'get', name: '', summary: '', may: 'public' } as const
  const url = await serve([
    route({ ...row, path: '/marked', reply: who, handle: () => ({ who: 'ann' }) }),
    route({ ...row, path: '/exact', reply: who, exact: true, handle: async () => ({ who: 'ann' }) }),
    route({
      ...row,
      path: '/text',
      reply: who,
      contentType: 'application/json; charset=utf-8',
      handle: () => '{"t":1}',
    }),
    route({
      ...row,
      path: '/other',
      reply: who,
      others: { 418: who },
      handle: () => new OtherStatus(418, { who: 'x' }),
    }),
    route({
      ...row,
      path: '/refused',
      reply: who,
      handle: () => Promise.reject(new ConveneError('forbidden', 'No')),
    }),
    route({
      ...row,
      path: '/broken',
      reply: who,
      handle() {
        throw new Error('a secret')
      },
    }),
  ])
  expect(await call(`${url}/marked`)).toEqual({ status: 200, body: { success: true, who: 'ann' } })
  expect(await call(`${url}/exact`)).toEqual({ status: 200, body: { who: 'ann' } })
  expect(await call(`${url}/text`)).toEqual({ status: 200, body: { t: 1 } })
  expect(await call(`${url}/other`)).toEqual({ status: 418, body: { who: 'x' } })
  expect(await call(`${url}/refused`)).toMatchObject({ status: 403, body: { error: { message: 'No' } } })
  const broken = await call(`${url}/broken`)
  expect(broken).toMatchObject({ status: 500, body: { success: false, error: { code: 'internal' } } })
  expect(JSON.stringify(broken)).not.toContain('a secret')
})
