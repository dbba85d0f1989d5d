// [D3] Who clients of the older families are: by a token, or where nothing verifies, by their own word.
import type { IncomingHttpHeaders } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import { createOlderIdentity, shownIn } from '../../../src/server/auth/older-identity.ts'
import { createServer } from '../../../src/server/server.ts'
import { type Frame, openPlain, type PlainOptions, plainTo } from '../../support/plain.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { claims, hmacToken, OTHER_SECRET, SECRET, sessionToken } from './issuers.ts'

const authenticator = createAuthenticator({ secrets: [SECRET], nextAuth: true })
const believing = createOlderIdentity(authenticator, true)
const strict = createOlderIdentity(authenticator, false)

const token = hmacToken(claims({ sub: 'tok' }), SECRET)
const forged = hmacToken(claims({ sub: 'tok' }), OTHER_SECRET)
const ended = hmacToken(claims({ sub: 'tok', exp: 1 }), SECRET)

interface Asks {
  readonly query?: string
  readonly headers?: IncomingHttpHeaders
  readonly fromPage?: boolean
}

/** Who it is, or the code of the refusal. */
async function whoIs(who: typeof strict, { query = '', headers = {}, fromPage = true }: Asks, nobody?: string) {
  try {
    return (await who.identify(shownIn(headers, new URLSearchParams(query), fromPage), nobody)).identity.id
  } catch (error) {
    return (error as { code: string }).code
  }
}

const offers = (...protocols: string[]) => ({ 'sec-websocket-protocol': protocols.join(', ') })

describe.each([
  ['where nothing but tokens count', strict],
  ['where claims are believed as well', believing],
])('[D3] a token, %s', (_where, who) => {
  test.each<[string, Asks]>([
    ['?token=', { query: `token=${token}` }],
    ['the first subprotocol', { headers: offers(`bearer.${token}`, 'chat') }],
    ['a bearer', { headers: { authorization: `Bearer ${token}` } }],
    ['?token=, before everything else', { query: `token=${token}`, headers: { authorization: `Bearer ${forged}` } }],
    ['whatever is claimed beside it', { query: `token=${token}&userId=eve`, headers: { cookie: 'userId=eve' } }],
  ])('counts as %s', async (_how, asks) => {
    expect(await whoIs(who, asks)).toBe('tok')
  })

  test.each<[string, Asks, string]>([
    ['forged', { query: `token=${forged}` }, 'unauthenticated'],
    ['forged, with a claim', { query: `token=${forged}&userId=eve` }, 'unauthenticated'],
    ['ended, with a claim', { query: `token=${ended}&userId=eve` }, 'token_expired'],
    ['no token at all, with a claim', { query: 'token=garbage&userId=eve' }, 'unauthenticated'],
    ['forged, as a bearer', { headers: { authorization: `Bearer ${forged}` } }, 'unauthenticated'],
    [
      'forged, as a bearer with a claim',
      { query: 'userId=eve', headers: { authorization: `Bearer ${forged}` } },
      'unauthenticated',
    ],
    ['not quite one, as a bearer', { headers: { authorization: `Bearer ${token}x.y.z` } }, 'unauthenticated'],
    ['forged, as a subprotocol', { query: 'userId=eve', headers: offers(`bearer.${forged}`) }, 'unauthenticated'],
  ])('that is %s is judged, and nothing is believed in its place', async (_what, asks, code) => {
    expect(await whoIs(who, asks)).toBe(code)
    expect(await whoIs(who, asks, 'nobody')).toBe(code)
  })

  test('in a NextAuth cookie counts from a page whose origin is allowed, and from no other', async () => {
    const cookie = `next-auth.session-token=${await sessionToken(claims({ sub: 'page' }), SECRET)}`
    expect(await whoIs(who, { headers: { cookie } })).toBe('page')
    expect(await whoIs(who, { headers: { cookie }, fromPage: false })).toBe('unauthenticated')
  })
})

const CLAIMS: readonly (readonly [string, Asks])[] = [
  ['?userId=', { query: 'userId=ann' }],
  ['a bearer that is an id', { headers: { authorization: 'Bearer ann' } }],
  ['a cookie', { headers: { cookie: 'theme=dark; userId=ann' } }],
  [
    '?userId=, before a bearer',
    { query: 'userId=ann', headers: { authorization: 'Bearer ben', cookie: 'userId=cem' } },
  ],
  ['a bearer, before a cookie', { headers: { authorization: 'bearer ann', cookie: 'userId=cem' } }],
]

describe('[D3] a claim', () => {
  test.each(CLAIMS)('%s is believed where claims are', async (_how, asks) => {
    expect(await whoIs(believing, asks)).toBe('ann')
  })

  test.each(CLAIMS)('%s counts nothing where they are not', async (_how, asks) => {
    expect(await whoIs(strict, asks)).toBe('unauthenticated')
    expect(await whoIs(strict, asks, 'nobody')).toBe('unauthenticated')
  })

  test('an id may look like an address, but not like a token, nor be endless or unprintable', async () => {
    expect(await whoIs(believing, { query: 'userId=ann.b%40x.io' })).toBe('ann.b@x.io')
    for (const id of [forged, ended, 'eyJ.a.b', 'x'.repeat(257), 'a\nb', '\u0000'])
      expect([id, await whoIs(believing, { query: `userId=${encodeURIComponent(id)}` })]).toEqual([id, 'invalid'])
  })

  test('a cookie of a foreign page is not even a claim', async () => {
    expect(await whoIs(believing, { headers: { cookie: 'userId=ann' }, fromPage: false })).toBe('unauthenticated')
  })

  test('who says nothing is nobody, where a door lets nobody in', async () => {
    expect(await whoIs(believing, {}, 'nobody')).toBe('nobody')
    expect(await whoIs(believing, {})).toBe('unauthenticated')
    expect(await whoIs(believing, { query: 'userId=&token=' }, 'nobody')).toBe('nobody')
  })
})

const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const
const development = { jwtSecrets: [], databaseUrl: 'sqlite::memory:' } as const
const origin = 'http://localhost:3000'

/** Whom a door lets in. */
async function letIn(server: { url: string }, path: string, options: PlainOptions = {}): Promise<boolean> {
  const { ws, closed } = plainTo(server, path, options)
  const heard = new Promise<boolean>((resolve) => ws.once('message', () => resolve(true)))
  return Promise.race([heard.then(() => ws.readyState === ws.OPEN), closed.then(() => false)])
}

describe.each(DOORS)('[D3] %s', (path) => {
  const claimed: [string, PlainOptions][] = [
    ['?userId=ann', {}],
    ['', { headers: { authorization: 'Bearer ann' } }],
    ['', { headers: { cookie: 'userId=ann', origin } }],
  ]

  test('in development without a secret it believes who somebody says they are', async () => {
    const server = await startServer(development)
    for (const [query, options] of claimed) {
      const { received, ws } = await openPlain(server, path + query, options)
      await new Promise((resolve) => (received.length > 0 ? resolve(0) : ws.once('message', resolve)))
      expect(await sessionsOf(server, 'ann')).toBeGreaterThan(0)
    }
  })

  test.each([
    ['with a secret', {}],
    ['in production', { nodeEnv: 'production', access: 'claims', apiKeys: [OTHER_SECRET], jwtSecrets: [SECRET] }],
  ] as const)('%s it believes nobody without a token', async (_where, options) => {
    const server = await startServer({ ...options, allowedOrigins: [origin] })
    for (const [query, shown] of [...claimed, ['', {}] as const]) {
      expect(await letIn(server, path + query, shown)).toBe(false)
    }
  })

  test('a token comes in by any of its ways', async () => {
    const server = await startServer({ jwtSecrets: [SECRET], nextAuth: true, allowedOrigins: [origin] })
    const cookie = `authjs.session-token=${await sessionToken(claims(), SECRET, 'authjs.session-token')}`
    expect(await letIn(server, `${path}?token=${token}`)).toBe(true)
    expect(await letIn(server, path, { protocols: [`bearer.${token}`] })).toBe(true)
    expect(await letIn(server, path, { protocols: [`bearer.${token}`, 'chat'] })).toBe(true)
    expect(await letIn(server, path, { headers: { authorization: `Bearer ${token}` } })).toBe(true)
    expect(await letIn(server, path, { headers: { cookie, origin } })).toBe(true)
    expect(await letIn(server, path, { headers: { cookie } })).toBe(false)
    expect(await letIn(server, path, { headers: { cookie, 'sec-fetch-site': 'same-origin' } })).toBe(true)
    expect(await letIn(server, path, { headers: { cookie, 'sec-fetch-site': 'cross-site' } })).toBe(false)
    // A foreign page is turned away before it shows anything.
    const foreign = plainTo(server, path, { headers: { cookie, origin: 'https://evil.example.com' } })
    expect(await new Promise<Error>((resolve) => foreign.ws.once('error', resolve))).toMatchObject({
      message: 'Unexpected server response: 403',
    })
    expect(await letIn(server, `${path}?token=${forged}`)).toBe(false)
  })
})

test('[D3] of what is offered as subprotocol the token is not what is agreed on, if anything else is', async () => {
  const server = await startServer({ jwtSecrets: [SECRET] })
  const both = await openPlain(server, '/ws', { protocols: [`bearer.${token}`, 'chat'] })
  expect(both.ws.protocol).toBe('chat')
  const alone = await openPlain(server, '/ws', { protocols: [`bearer.${token}`] })
  expect(alone.ws.protocol).toBe(`bearer.${token}`)
  const none = await openPlain(server, `/ws?token=${token}`)
  expect(none.ws.protocol).toBe('')
})

const presence = ({ payload }: Frame) =>
  ((payload?.activeUsers ?? []) as { userId: string }[]).map(({ userId }) => userId)

describe('[D3] SET_USER, and userId in a frame', () => {
  const setUser = (userId: string) => ({ type: 'SET_USER', payload: { userId, userInfo: { name: 'Ann Bee' } } })

  test('in development without a secret they say who it is, in every project it was in', async () => {
    const server = await startServer(development)
    const watcher = await openPlain(server, '/ws?userId=watcher')
    const ann = await openPlain(server, '/ws')
    watcher.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await watcher.expect('USER_PRESENCE')
    // All in one write: the join is under way when it says who it is, and what follows is the new person's.
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    ann.say(setUser('ann'))
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't' } })
    await watcher.expect('USER_PRESENCE', (frame) => presence(frame).includes('ann'))
    await watcher.expect('TASK_UPDATE')
    const history = await (await fetch(`${server.url}/api/v1/channels/project:p1/events?limit=10`)).json()
    expect(history).toMatchObject({ events: [{ type: 'task:update', user: { id: 'ann' }, payload: { id: 't' } }] })
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p2', userId: 'ann2' })
    await watcher.expect('USER_PRESENCE', (frame) => presence(frame).includes('ann2'))
    expect(await sessionsOf(server, 'ann')).toBe(0)
    ann.ws.close(1000)
    await watcher.expectCount(1, (frame) => frame.type === 'USER_PRESENCE' && presence(frame).length === 1)
  })

  test('a claim that is a token is none: it would be shown to everybody', async () => {
    const server = await startServer(development)
    const ann = await openPlain(server, '/ws?userId=ann')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    ann.say(setUser(forged))
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p2' })
    await ann.expect('USER_PRESENCE', ({ payload }) => payload?.projectId === 'p2')
    expect(JSON.stringify(ann.received)).not.toContain(forged)
    expect(ann.ws.readyState).toBe(ann.ws.OPEN)
  })

  test('hundreds of claims at once end in the last of them, and leave one session', async () => {
    const server = await startServer({ ...development, rateSignalsPerSecond: 1000, rateFactsPerSecond: 1000 })
    const ann = await openPlain(server, '/ws')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    for (let n = 0; n < 300; n++) ann.say(setUser(`u${n}`))
    await ann.expect('USER_PRESENCE', (frame) => presence(frame).includes('u299'))
    expect(await (await fetch(`${server.url}/health`)).json()).toMatchObject({ connections: 1 })
  })

  test('who becomes somebody who may not be where it was is told so', async () => {
    const server = await startServer({ ...development, access: 'members', apiKeys: [OTHER_SECRET] })
    await fetch(`${server.url}/api/v1/channels/project:p1/members/u1`, {
      method: 'PUT',
      headers: { 'x-api-key': OTHER_SECRET, 'content-type': 'application/json' },
      body: JSON.stringify({ role: 'editor' }),
    })
    const ann = await openPlain(server, '/ws')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'u1' })
    await ann.expect('USER_PRESENCE')
    ann.say(setUser('u2'))
    expect(await ann.expect('ERROR')).toMatchObject({
      error: 'You may not be any more in project p1',
      code: 'forbidden',
    })
  })

  test('who goes while it becomes somebody else leaves nothing', async () => {
    const server = await startServer(development)
    for (let n = 0; n < 30; n++) {
      const ann = await openPlain(server, '/ws')
      ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
      ann.say(setUser(`u${n}`))
      if (n % 2) ann.ws.terminate()
      else ann.ws.close()
      await ann.closed
    }
    // That nothing is left is what every server is asked when its test ends.
  })

  test.each([
    ['elsewhere', false],
    ['where claims are believed as well', true],
  ])('with a token they change how somebody is shown, never who they are: %s', async (_where, insecureIdentity) => {
    const server = await startServer({ insecureIdentity, apiKeys: [OTHER_SECRET] })
    const ann = await openPlain(server, `/ws?token=${tokenFor('ann')}`)
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'eve' })
    ann.say(setUser('eve'))
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: {} })
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p2', userId: 'eve' })
    await ann.expect('USER_PRESENCE', ({ payload }) => payload?.projectId === 'p2')
    for (const frame of ann.received.filter(({ type }) => type === 'USER_PRESENCE')) {
      expect(presence(frame)).toEqual(['ann'])
    }
    const headers = { 'x-api-key': OTHER_SECRET }
    const history = await (await fetch(`${server.url}/api/v1/channels/project:p1/events?limit=10`, { headers })).json()
    expect(history).toMatchObject({ events: [{ user: { id: 'ann' } }] })
  })
})

test('[D3] production refuses to be told to believe claims', () => {
  const options = { nodeEnv: 'production', jwtSecrets: [SECRET], access: 'claims', apiKeys: [OTHER_SECRET] } as const
  expect(() => createServer({ ...options, insecureIdentity: true })).toThrow(/INSECURE_IDENTITY|insecureIdentity/)
  expect(() => createServer({ ...options })).not.toThrow()
})

/** How many sessions somebody has. */
async function sessionsOf(server: { url: string }, userId: string): Promise<number> {
  const response = await fetch(`${server.url}/api/v1/users/${userId}/disconnect`, { method: 'POST' })
  return ((await response.json()) as { sessions: number }).sessions
}
