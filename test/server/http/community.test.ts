import { connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { encode } from '@auth/core/jwt'
import { expect, test } from 'vitest'
import { communityHealthRoutes } from '../../../src/server/http/community-health.ts'
import type { ServerOptions } from '../../../src/server/server.ts'
import { type Answer, type Api, apiOf, KEY } from '../../support/api.ts'
import { connect, expectReply, join } from '../../support/connect.ts'
import { as, openPlain } from '../../support/plain.ts'
import { SECRET, startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { until } from '../../support/until.ts'

const path = '/api/community/messages'
const room = { roomId: 'r1' }
const IMAGE = 'https://x/ann.png'
const ANN = tokenFor('ann', { name: 'Ann Bee', picture: IMAGE })
const BEN = tokenFor('ben')
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

async function start(options: ServerOptions = {}) {
  const server = await startServer({ apiKeys: [KEY], ...options })
  return { server, api: await apiOf(server) }
}

/** Sends a message and gives back what was answered of it. */
async function send(api: Api, content: string, by = ANN, where: object = room): Promise<Record<string, unknown>> {
  const { status, body } = await api('POST', path, { content, ...where }, by)
  expect([status, body.message]).toEqual([201, 'Message sent successfully'])
  return body.data as Record<string, unknown>
}

async function listed(api: Api, query: string, by = ANN) {
  const { body } = await api('GET', `${path}?${query}`, undefined, by)
  return body as unknown as { data: Record<string, unknown>[]; pagination: { cursor: string; hasMore: boolean } }
}

function failure({ status, body }: Answer) {
  return [status, body.error?.code, body.error?.message]
}

test('[D5] a message is sent, read, edited and deleted in the exact shapes', async () => {
  const { api } = await start()
  const sent = await api('POST', path, { content: ' Hello ', ...room }, ANN)
  const data = {
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    content: 'Hello',
    roomId: 'r1',
    groupId: null,
    authorId: 'ann',
    authorName: 'Ann Bee',
    authorImage: IMAGE,
    isEdited: false,
    isDeleted: false,
    createdAt: expect.stringMatching(ISO),
    updatedAt: expect.stringMatching(ISO),
  }
  expect([sent.status, sent.body]).toEqual([201, { success: true, data, message: 'Message sent successfully' }])
  const first = sent.body.data as { id: string; createdAt: string }
  expect(first).toMatchObject({ updatedAt: first.createdAt })
  const grouped = await send(api, 'to the group', BEN, { groupId: 'g1' })
  expect(grouped).toMatchObject({ roomId: null, groupId: 'g1', authorName: 'Unknown', authorImage: null })

  const edited = await api('PATCH', `${path}/${first.id}`, { content: ' Hello again ' }, ANN)
  const after = { ...first, content: 'Hello again', isEdited: true, updatedAt: expect.stringMatching(ISO) }
  expect([edited.status, edited.body]).toEqual([
    200,
    { success: true, data: after, message: 'Message edited successfully' },
  ])
  const list = await api('GET', `${path}?roomId=r1`, undefined, BEN)
  const pagination = { cursor: expect.any(String), hasMore: false }
  expect([list.status, list.body]).toEqual([200, { success: true, data: [edited.body.data], pagination }])

  const deleted = await api('DELETE', `${path}/${first.id}`, undefined, ANN)
  expect([deleted.status, deleted.body]).toEqual([200, { success: true, message: 'Message deleted successfully' }])
  expect((await listed(api, 'roomId=r1')).data).toEqual([])
  expect((await api('GET', `${path}?roomId=empty`, undefined, ANN)).body).toEqual({
    success: true,
    data: [],
    pagination: { cursor: null, hasMore: false },
  })
  for (const method of ['PATCH', 'DELETE']) {
    const again = await api(method, `${path}/${first.id}`, { content: 'x' }, ANN)
    expect(failure(again)).toEqual([404, 'NOT_FOUND', 'Chat message not found'])
  }
})

test('[D5] a list is paged from the newest by the cursor it gave, over messages that were deleted', async () => {
  const { api } = await start()
  const ids: unknown[] = []
  for (let n = 1; n <= 7; n++) ids.push((await send(api, `m${n}`)).id)
  for (const id of [ids[4], ids[5]]) await api('DELETE', `${path}/${id}`, undefined, ANN)
  const pages: unknown[] = []
  let cursor = ''
  for (let hasMore = true; hasMore; ) {
    const page = await listed(api, `roomId=r1&limit=2${cursor && `&cursor=${cursor}`}`)
    pages.push(page.data.map(({ content }) => content))
    cursor = page.pagination.cursor
    hasMore = page.pagination.hasMore
  }
  expect(pages).toEqual([['m7'], ['m4'], ['m3', 'm2'], ['m1']])
})

test('[D5] what is wrong is said with a code, in the words of the original where it had some', async () => {
  const { api } = await start()
  const wrong: [method: string, at: string, body: unknown, field: string, message: string | RegExp][] = [
    ['POST', path, { content: 'x' }, 'roomId', 'Either roomId or groupId must be specified'],
    ['POST', path, { content: 'x', ...room, groupId: 'g' }, 'groupId', 'Cannot specify both roomId and groupId'],
    ['POST', path, { content: 'x', roomId: '../x' }, 'roomId', /^roomId: expected an id of at most 128 letters/],
    ['POST', path, { content: 'x', roomId: 7 }, 'roomId', 'body: roomId: expected text, got a number'],
    ['POST', path, { content: ' ', ...room }, 'content', 'body: content: expected text that is not blank'],
    ['POST', path, { content: 'x'.repeat(5000), ...room }, 'content', /^body: content: .*2000/],
    ['POST', path, room, 'content', 'body: content: expected text, got nothing'],
    ['POST', path, undefined, '', 'body: expected an object, got nothing'],
    ['PATCH', `${path}/m1`, {}, 'content', 'body: content: expected text, got nothing'],
    ['GET', path, undefined, 'roomId', 'Either roomId or groupId must be specified'],
    ['GET', `${path}?roomId=r1&groupId=g1`, undefined, 'groupId', 'Cannot specify both roomId and groupId'],
    ['GET', `${path}?roomId=r1&limit=101`, undefined, 'limit', /^query: limit: /],
    ['GET', `${path}?roomId=r1&cursor=x`, undefined, 'cursor', 'query: cursor: expected a cursor that was given here'],
  ]
  for (const [method, at, body, field, message] of wrong) {
    const answer = await api(method, at, body, ANN)
    const said = typeof message === 'string' ? message : expect.stringMatching(message)
    const what = `${method} ${at} ${JSON.stringify(body)}`.slice(0, 200)
    expect([answer.status, answer.body], what).toEqual([
      400,
      {
        success: false,
        error: {
          code: 'VALIDATION_ERROR',
          message: said,
          details: { errors: [{ field, message: expect.any(String) }] },
        },
      },
    ])
  }
  expect(failure(await api('POST', path, '{', ANN))).toEqual([400, 'VALIDATION_ERROR', 'The body is not a JSON object'])
  const large = await api('POST', path, { content: 'x'.repeat(110_000), ...room }, ANN)
  expect(failure(large)).toEqual([413, 'PAYLOAD_TOO_LARGE', 'The body is over 100 kB'])
})

test('[D3] nobody without a token is anybody; a token counts as bearer and in the URL', async () => {
  const { server, api } = await start()
  const refused = { success: false, error: { code: 'UNAUTHORIZED', message: 'Authentication required' } }
  for (const as of [null, KEY, 'ann', tokenFor('ann', { exp: 1 })]) {
    for (const [method, at] of [
      ['GET', `${path}?roomId=r1`],
      ['POST', path],
      ['PATCH', `${path}/m1`],
      ['DELETE', `${path}/m1`],
    ] as const) {
      const { status, body } = await api(method, at, method === 'GET' ? undefined : { content: 'x', ...room }, as)
      expect([status, body], `${method} as ${as}`).toEqual([401, refused])
    }
  }
  const { status } = await fetch(`${server.url}${path}${as('ann')}&roomId=r1`)
  expect(status).toBe(200)
})

test('[D8] the encrypted session of Auth.js v5 is a token for the socket, and its cookie one for HTTP', async () => {
  const { server } = await start({ nextAuth: true, allowedOrigins: ['https://app.example'] })
  const cookie = 'authjs.session-token'
  const token = await encode({ token: { sub: 'ann', name: 'Ann Bee' }, secret: SECRET, salt: cookie, maxAge: 600 })
  const ann = await openPlain(server, `/api/community/ws?token=${token}`)
  expect((await ann.expect('USER_JOINED')).payload?.userId).toBe('ann')
  const headers = { cookie: `${cookie}=${token}`, 'content-type': 'application/json' }
  const post = (origin?: string) =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { ...headers, ...(origin !== undefined && { origin }) },
      body: JSON.stringify({ content: 'hi', ...room }),
    })
  const sent = await post('https://app.example')
  expect([sent.status, ((await sent.json()) as { data: object }).data]).toMatchObject([
    201,
    { authorId: 'ann', authorName: 'Ann Bee' },
  ])
  // A page of another site has the cookie sent along as well.
  expect((await post('https://evil.example')).status).toBe(401)
})

test('[D3] in development without a secret a claim is enough, as everywhere for these clients', async () => {
  const { api } = await start({ insecureIdentity: true })
  expect(await send(api, 'x', 'ann')).toMatchObject({ authorId: 'ann', authorName: 'Unknown' })
})

test('[FACT2] members send, whoever may only read is muted, others learn nothing', async () => {
  const { api } = await start({ access: 'members' })
  const role = (user: string, role: string, where = 'room:r1') =>
    api('PUT', `/api/v1/channels/${where}/members/${user}`, { role })
  await role('ann', 'commenter')
  await role('ben', 'viewer')
  await role('ben', 'viewer', 'group:g1')
  const { id } = await send(api, 'secret')
  const post = (by: string, where: object) => api('POST', path, { content: 'x', ...where }, by)
  expect(failure(await post(BEN, room))).toEqual([
    403,
    'FORBIDDEN',
    'You are muted in this room and cannot send messages',
  ])
  expect(failure(await post(BEN, { groupId: 'g1' }))).toEqual([
    403,
    'FORBIDDEN',
    'You are muted in this group and cannot send messages',
  ])
  const CID = tokenFor('cid')
  expect(failure(await post(CID, room))).toEqual([
    403,
    'FORBIDDEN',
    'You must be a member of this room to send messages',
  ])
  expect((await listed(api, 'roomId=r1', BEN)).data).toMatchObject([{ content: 'secret' }])
  expect(failure(await api('GET', `${path}?roomId=r1`, undefined, CID))).toEqual([
    403,
    'FORBIDDEN',
    'You must be a member of this room to read its messages',
  ])

  const change = (method: string, by: string) => api(method, `${path}/${id}`, { content: 'x' }, by)
  expect(failure(await change('PATCH', BEN))).toEqual([403, 'FORBIDDEN', 'You can only edit your own messages'])
  expect(failure(await change('DELETE', BEN))).toEqual([
    403,
    'FORBIDDEN',
    'You can only delete your own messages or messages as a moderator',
  ])
  for (const method of ['PATCH', 'DELETE']) expect((await change(method, CID)).status).toBe(404)
  await role('cid', 'admin')
  expect((await change('PATCH', CID)).status).toBe(403)
  expect((await change('DELETE', CID)).status).toBe(200)
  expect((await listed(api, 'roomId=r1')).data).toEqual([])
})

test('an id leads to one’s own message, then to one that one may delete, and to rooms and groups alone', async () => {
  const { server, api } = await start({ access: 'members' })
  for (const [user, where, role] of [
    ['ann', 'room:r1', 'viewer'],
    ['ann', 'room:r2', 'commenter'],
    ['ben', 'room:r0', 'commenter'],
    ['ben', 'room:r1', 'commenter'],
    ['ben', 'room:r2', 'commenter'],
    ['ben', 'project:p1', 'editor'],
    ['cid', 'room:r1', 'viewer'],
    ['cid', 'room:r2', 'admin'],
  ]) {
    await api('PUT', `/api/v1/channels/${where}/members/${user}`, { role })
  }
  const message = { id: 'same', content: 'hi' }
  const by = (userId: string, channel: string, id = 'same') =>
    server.server.publish(channel, { type: 'message:send', payload: { ...message, id }, userId })
  await by('ben', 'room:r0')
  await by('ben', 'room:r1')
  await by('ann', 'room:r2')
  await by('ben', 'project:p1', 'elsewhere')
  const edited = await api('PATCH', `${path}/same`, { content: 'mine' }, ANN)
  expect(edited.body.data).toMatchObject({ roomId: 'r2', content: 'mine' })
  // A moderator of one room, a reader of another, and not in the third.
  expect((await api('DELETE', `${path}/same`, undefined, tokenFor('cid'))).status).toBe(200)
  expect((await listed(api, 'roomId=r2', BEN)).data).toEqual([])
  expect((await listed(api, 'roomId=r1', BEN)).data).toMatchObject([{ content: 'hi' }])
  expect((await api('DELETE', `${path}/elsewhere`, undefined, BEN)).status).toBe(404)
})

test('[D5] a message of a room that is named is found among any number of the same id', async () => {
  const { server, api } = await start({ access: 'members' })
  await api('PUT', '/api/v1/channels/room:z/members/cid', { role: 'admin' })
  const by = (userId: string, channel: string) =>
    server.server.publish(channel, { type: 'message:send', payload: { id: 'same', content: 'hi' }, userId })
  await by('ben', 'room:z')
  for (let n = 0; n < 25; n++) await by('eve', `room:a${n}`)
  const cid = tokenFor('cid')
  expect((await api('DELETE', `${path}/same?roomId=a1`, undefined, cid)).status).toBe(404)
  expect((await api('DELETE', `${path}/same?groupId=z`, undefined, cid)).status).toBe(404)
  expect((await api('DELETE', `${path}/same?roomId=z&groupId=z`, undefined, cid)).status).toBe(400)
  expect((await api('PATCH', `${path}/same?roomId=z`, { content: 'not mine' }, cid)).status).toBe(403)
  expect((await api('DELETE', `${path}/same?roomId=z`, undefined, cid)).status).toBe(200)
  expect((await api('DELETE', `${path}/same?roomId=z`, undefined, cid)).status).toBe(404)
})

test('[D5] one person sends 30 messages a minute; more are refused, whatever they say, with the time to wait', async () => {
  const { api } = await start({ rateFactsPerSecond: 1000 })
  for (let n = 1; n <= 29; n++) await send(api, `m${n}`)
  // What is wrong counts as well.
  expect((await api('POST', path, {}, ANN)).status).toBe(400)
  const before = Date.now()
  for (const body of [{ content: 'x', ...room }, {}]) {
    const { status, headers, body: said } = await api('POST', path, body, ANN)
    expect([status, said]).toEqual([
      429,
      {
        success: false,
        error: { code: 'RATE_LIMIT_EXCEEDED', message: 'Too many requests. Please try again later.' },
      },
    ])
    const retryAfter = Number(headers.get('retry-after'))
    expect(retryAfter).toBeGreaterThan(0)
    expect(retryAfter).toBeLessThanOrEqual(60)
    expect([headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]).toEqual(['30', '0'])
    const reset = headers.get('x-ratelimit-reset') ?? ''
    expect(reset).toMatch(ISO)
    expect(Date.parse(reset)).toBeGreaterThan(before)
    expect(Date.parse(reset)).toBeLessThanOrEqual(Date.now() + 60_000)
  }
  await send(api, 'of another', BEN)
  expect((await listed(api, 'roomId=r1&limit=100')).data).toHaveLength(30)
})

test('[MSG1] whoever is blocked is not listed what is kept from them', async () => {
  const { api } = await start()
  await send(api, 'of ann')
  await send(api, 'of ben', BEN)
  await api('PUT', '/api/v1/users/ann/blocks/ben')
  expect((await listed(api, 'roomId=r1', BEN)).data.map(({ content }) => content)).toEqual(['of ben'])
  expect((await listed(api, 'roomId=r1')).data).toHaveLength(2)
})

test('[D5] the health of the sockets counts those of this door, and rooms by whoever is in them', async () => {
  const { server, api } = await start()
  const health = async () => (await api('GET', '/api/community/ws/health', undefined, null)).body
  const pubsub = { isHealthy: true, publisherConnected: true, subscriberConnected: true }
  expect(await health()).toEqual({
    success: true,
    data: {
      websocket: { totalConnections: 0, uniqueUsers: 0, averageConnectionsPerUser: 0, isHealthy: true },
      pubsub: { ...pubsub, subscribedChannels: 0, totalSubscriptions: 0 },
      timestamp: expect.stringMatching(ISO),
    },
  })
  const clients = await Promise.all(
    ['ann', 'ann', 'ben', 'ann', 'cid'].map((id) => openPlain(server, `/api/community/ws${as(id)}`)),
  )
  for (const client of clients) await client.expect('USER_JOINED')
  const [ann, , ben] = clients
  ann?.say({ type: 'SUBSCRIBE', payload: { roomId: 'r1', groupId: 'g1', since: null } })
  ben?.say({ type: 'SUBSCRIBE', payload: { roomId: 'r1', since: null } })
  await ann?.expectCount(2, ({ type }) => type === 'SUBSCRIBED')
  await ben?.expect('SUBSCRIBED')
  const canonical = await connect(server, 'dee')
  await join(canonical, 'room:r1')
  await join(canonical, 'project:p1')
  await until('the subscriptions are counted', async () => {
    const { data } = (await health()) as { data: { pubsub: { totalSubscriptions: number } } }
    return data.pubsub.totalSubscriptions === 4
  })
  expect((await health()).data).toEqual({
    websocket: { totalConnections: 5, uniqueUsers: 3, averageConnectionsPerUser: 1.67, isHealthy: true },
    pubsub: { ...pubsub, subscribedChannels: 2, totalSubscriptions: 4 },
    timestamp: expect.stringMatching(ISO),
  })
  for (const client of clients) client.ws.close(1000)
  await until('all have gone', async () => {
    const { data } = (await health()) as { data: { websocket: { totalConnections: number } } }
    return data.websocket.totalConnections === 0
  })
  await expectReply(canonical, 'ping', {})
})

test('[D5] what fails of that is told in the words of the original, and not why', () => {
  const fails = () => {
    throw new Error('a secret of the server')
  }
  const [row] = communityHealthRoutes({ communityUsers: fails } as never)
  expect(() => row?.handle({} as never)).toThrow()
  expect(row?.failure?.({ code: 'internal', message: 'x', retryable: true })).toEqual({
    status: 500,
    body: {
      success: false,
      error: { code: 'HEALTH_CHECK_FAILED', message: 'Failed to retrieve WebSocket health status' },
    },
    headers: {},
  })
})

test('[D3] a refused upgrade is a bare HTTP 401, and the pipe ends', async () => {
  const { server } = await start()
  const pipe = connectTcp(server.port, '127.0.0.1')
  pipe.write(
    'GET /api/community/ws?token=bad HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  expect(await text(pipe)).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n(.+\r\n)*\r\n$/)
})
