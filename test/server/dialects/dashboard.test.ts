import { expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { at, ID, ISO, MS, open, said, saidByLibrary, upToMark } from '../../support/dashboard.ts'
import { as, openPlain, plainTo } from '../../support/plain.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'
import { until } from '../../support/until.ts'

const PING = { type: 'PING', id: 'test-1', userId: 'whoever', payload: {} }

test('[D3] where claims are believed, one is who the URL, the bearer or a cookie says, in this order, but a token wins', async () => {
  const server = await startServer({ insecureIdentity: true })
  const bearer = { authorization: 'Bearer ben' }
  const cookie = { cookie: 'userId=cat', origin: server.url }
  const cases = [
    ['?userId=ann', { ...bearer, ...cookie }, 'ann'],
    ['', { ...bearer, ...cookie }, 'ben'],
    ['', cookie, 'cat'],
    [`${as('dan')}&userId=ann`, bearer, 'dan'],
  ] as const
  for (const [query, headers, userId] of cases) {
    const client = await openPlain(server, `/api/realtime${query}`, { headers })
    expect(await client.expect('CONNECT')).toMatchObject({ userId, channel: `dashboard:user-${userId}` })
    client.say(PING)
    expect(await client.expect('PONG')).toMatchObject({ userId, correlationId: 'test-1' })
  }
  const nobody = plainTo(server, '/api/realtime')
  expect(await nobody.closed).toEqual({ code: 1008, reason: 'Unauthorized' })
  const forged = plainTo(
    server,
    `/api/realtime?token=${tokenFor('ann', {}, 'another-secret-that-is-long-enough')}&userId=ann`,
  )
  expect(await forged.closed).toEqual({ code: 1008, reason: 'Unauthorized' })
})

test('with a verified identity a claim beside it counts for nothing', async () => {
  const server = await startServer({ insecureIdentity: false })
  const token = tokenFor('ann')
  const shown = [
    { protocols: [`bearer.${token}`] },
    { headers: { authorization: `Bearer ${token}`, cookie: 'userId=cat', origin: server.url } },
  ]
  for (const options of shown) {
    const client = await openPlain(server, '/api/realtime?userId=ben', options)
    expect(await client.expect('CONNECT')).toMatchObject({ userId: 'ann' })
  }
})

test('who asks without end is sent away with 1008 "Rate limit exceeded"; before that each is told', async () => {
  const server = await startServer({ rateSignalsPerSecond: 5 })
  const ann = await openPlain(server, `/api/realtime${as('ann')}`)
  await ann.expect('CONNECT')
  for (let i = 0; i < 3000; i++) ann.say({ ...PING, id: `p${i}` })
  expect(await ann.closed).toEqual({ code: 1008, reason: 'Rate limit exceeded' })
  expect(ann.received.filter(({ type }) => type === 'PONG').length).toBeGreaterThanOrEqual(10)
  expect(await ann.expect('NACK')).toMatchObject({
    correlationId: 'p10',
    payload: { error: expect.stringMatching(/5/) },
  })
})

test('[LIFE3] a server that stops closes with 4001, so that the client comes back', async () => {
  const server = await startServer()
  const ann = await openPlain(server, `/api/realtime${as('ann')}`)
  await ann.expect('CONNECT')
  await server.close()
  expect((await ann.closed).code).toBe(4001)
  expect(ann.received.map(({ type }) => type)).toEqual(['CONNECT'])
})

test('[LIFE2] somebody revoked is closed with 1008 and may not come in again', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ann = await openPlain(server, `/api/realtime${as('ann')}`)
  await ann.expect('CONNECT')
  await api('POST', '/api/v1/users/ann/revoke', { until: Date.now() + 60_000 })
  expect(await ann.closed).toEqual({ code: 1008, reason: 'Unauthorized' })
  const again = plainTo(server, `/api/realtime${as('ann')}`)
  expect(await again.closed).toEqual({ code: 1008, reason: 'Unauthorized' })
})

test('[D4] the stats list who is connected, for callers with a key', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ann = await openPlain(server, `/api/realtime${as('ann')}`)
  const { payload } = await ann.expect('CONNECT')
  await openPlain(server, `/ws${as('ben')}`)
  ann.say(PING)
  ann.say('garbage')
  await ann.expect('NACK')
  expect(await api('GET', '/api/realtime/stats')).toMatchObject({
    status: 200,
    body: {
      clientCount: 1,
      clients: [
        {
          id: payload?.clientId,
          userId: 'ann',
          connectedAt: expect.stringMatching(/Z$/),
          messageCount: 2,
          isAlive: true,
        },
      ],
      uptime: expect.any(Number),
      timestamp: expect.stringMatching(/Z$/),
    },
  })
  for (const as of [null, 'wrong-key', tokenFor('ann')]) {
    expect((await api('GET', '/api/realtime/stats', undefined, as)).status).toBe(401)
  }
  ann.ws.close()
  await until('nobody is listed', async () => (await api('GET', '/api/realtime/stats')).body.clientCount === 0)
})

test('[D3] nobody is let in and sent away with 1008 "Unauthorized", without a word', async () => {
  const server = await startServer({ insecureIdentity: false })
  const paths = [
    '/api/realtime',
    '/realtime?userId=ann',
    '/api/realtime?token=ann',
    `/api/realtime${as('ann', { exp: 1 })}`,
  ]
  for (const path of paths) {
    const nobody = plainTo(server, path, { headers: { authorization: 'Bearer ann', cookie: 'userId=ann' } })
    expect(await nobody.closed, path).toEqual({ code: 1008, reason: 'Unauthorized' })
    expect(nobody.received).toEqual([])
  }
})

test('[D2] a dashboard that is not one’s own, or none at all, is refused with the reason, and closed', async () => {
  const server = await startServer({ access: 'claims' })
  const stranger = plainTo(server, `/api/realtime${as('ben')}&dashboardId=user-ann`)
  expect(await stranger.closed).toEqual({ code: 1008, reason: 'Unauthorized' })
  expect(stranger.received).toEqual([
    {
      type: 'NACK',
      id: ID,
      timestamp: ISO,
      userId: 'ben',
      payload: { error: expect.stringContaining('dashboard:user-ann') },
      data: { error: expect.stringContaining('dashboard:user-ann') },
    },
  ])
  const lost = plainTo(server, `/api/realtime${as('ben')}&dashboardId=a/b`)
  expect(await lost.closed).toEqual({ code: 4502, reason: expect.stringMatching(/^dashboardId: expected/) })
  const own = await openPlain(server, `/api/realtime${as('auth0|123')}`)
  expect(await own.expect('CONNECT')).toMatchObject({
    userId: 'auth0|123',
    channel: `dashboard:user.${Buffer.from('auth0|123').toString('base64url')}`,
  })
})

test('what is unknown, incomplete or unreadable is refused in the original’s words, and told nobody', async () => {
  const server = await startServer()
  const [ann, ben] = [await open(server, 'ann'), await open(server, 'ben')]
  const unknown = ['LAYOUT_RESTORE', 'SYNC_ERROR', 'CONFLICT_DETECTED', 'DISCONNECT', 'CONNECT', 'WIDGET_LOAD', 'x']
  for (const type of unknown) ann.say(said(type, {}))
  const { userId: _, ...anonymous } = said('WIDGET_UPDATE', {})
  const { type: __, ...untyped } = said('', {})
  const incomplete = [anonymous, untyped, said('PING', {}, { userId: '' }), 5, [], 'true', {}, { type: 7, userId: 'u' }]
  for (const frame of incomplete) ann.say(frame)
  const unreadable = ['not json', '', 'null', '{"type":', `${'['.repeat(50)}${']'.repeat(50)}`]
  for (const text of unreadable) ann.say(text)
  const errors = [
    ...unknown.map((type) => `Unknown message type: ${type}`),
    ...incomplete.map(() => 'Invalid message format'),
    ...unreadable.map(() => 'Failed to process message'),
  ]
  const came = await ann.expectCount(errors.length, ({ type }) => type === 'NACK')
  expect(came).toEqual(
    errors.map((error) => ({ type: 'NACK', id: ID, timestamp: ISO, userId: '', payload: { error } })),
  )
  ann.taken()
  ann.say(said('SYNC_UPDATE', { long: 'x'.repeat(70_000) }))
  expect((await ann.expect('NACK')).payload).toEqual({ error: expect.stringContaining('65536') })
  expect(await upToMark(ann, ben)).toEqual([[]])
})

test('[D8] is answered by the id of its request, with data and times in ms', async () => {
  const server = await startServer()
  const ann = await open(server, 'ann', '&dashboardId=d1', 'library')
  const reply = (type: string, n: number, data: unknown) => ({
    type,
    id: `msg_${n}`,
    timestamp: MS,
    data,
    payload: data,
    correlationId: `msg_${n}`,
  })
  const asked = [
    saidByLibrary('PING', 1),
    saidByLibrary('PONG', 2),
    saidByLibrary('SYNC_REQUEST', 3, {}),
    saidByLibrary('WIDGET_UPDATE', 4, { widgetId: 'w', data: { value: 1 } }),
    saidByLibrary('WIDGET_LOAD', 5, { widgetId: 'w', timestamp: 1 }),
    saidByLibrary('WIDGET_LOAD', 6, { widgetId: 'v', timestamp: 1 }),
    saidByLibrary('WIDGET_LOAD', 7, { widgetId: { toString: 1 } }),
    saidByLibrary('LAYOUT_RESTORE', 8, {}),
  ]
  for (const frame of asked) {
    ann.say(frame)
    if (frame.type !== 'PONG') await ann.expectCount(1, ({ id }) => id === frame.id)
  }
  ann.say({ id: 'msg_9', data: {} })
  ann.say('{')
  await ann.expectCount(5, ({ type }) => type === 'NACK')
  const refusal = (n: number, code: string, message: string) => ({
    ...reply('NACK', n, { error: message }),
    error: { code, message },
  })
  const nobody = (message: string) => ({
    type: 'NACK',
    id: ID,
    timestamp: MS,
    userId: '',
    data: { error: message },
    payload: { error: message },
    error: { code: 'invalid', message },
  })
  expect(ann.taken()).toEqual([
    reply('PONG', 1, {}),
    reply('SYNC_RESPONSE', 3, { syncState: 'ready', clientCount: 1, timestamp: ISO }),
    { ...reply('ACK', 4, { received: true }), ...at(1) },
    reply('WIDGET_LOAD', 5, { widgetId: 'w', data: { value: 1 }, version: 1 }),
    refusal(6, 'not_found', 'There is no such widget in this dashboard'),
    refusal(7, 'invalid', 'Missing widgetId in payload'),
    refusal(8, 'unknown_event', 'Unknown message type: LAYOUT_RESTORE'),
    nobody('Invalid message format'),
    nobody('Failed to process message'),
  ])
})
