import { describe, expect, test } from 'vitest'
import type { PresenceEntry, PresenceList } from '../../src/protocol/presence.ts'
import { Polling } from '../hostile/polling.ts'
import { apiOf, KEY } from '../support/api.ts'
import { type Client, connect, expectEvent, expectNothing, expectReply, join, TRANSPORTS } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'
const LEFT = { channel, userId: 'ann' }
/** A grace that no test outlives, and one that is over soon. */
const LONG = { presenceGraceMs: 600_000 }
const SHORT = { presenceGraceMs: 50 }

/** A server, and Ben who watches the channel. */
async function watched(
  options: Parameters<typeof startServer>[0] = LONG,
): Promise<{ server: TestServer; ben: Client }> {
  const server = await startServer(options)
  const ben = await connect(server, 'ben')
  await join(ben, channel)
  return { server, ben }
}

async function listed(client: Client): Promise<PresenceEntry | undefined> {
  const { members } = await expectReply<PresenceList>(client, 'presence:list', { channel })
  return members.find(({ user }) => user.id === 'ann')
}

/** Waits until the server has seen so many of Ann's sessions end that this many are left, all others waited for. */
async function expectLost(ben: Client, left = 0): Promise<void> {
  await expect.poll(async () => (await listed(ben))?.connections, { timeout: 20_000 }).toBe(left)
  await expectNothing(ben, 'presence:leave')
}

/** What was told of Ann. */
function told(client: Client): string[] {
  return client.received.map(({ event }) => event).filter((event) => event.startsWith('presence:'))
}

/** Ends a client's connection under its session: no leave, no packet, and no close frame 1000. */
function lose(client: Client): void {
  client.socket.io.engine.close()
}

/** Ann on a WebSocket by hand, in the channel. */
async function rawAnn(server: TestServer, ben: Client): Promise<RawClient> {
  const raw = await RawClient.open(server)
  raw.send(`40${JSON.stringify({ token: tokenFor('ann') })}`)
  await raw.expect(/"connected"/)
  raw.send(`420["channel:join",{"channel":"${channel}"}]`)
  await expectEvent(ben, 'presence:join')
  return raw
}

describe.each(TRANSPORTS)('presence over %s', (transport) => {
  test('[PRE1] [PRE2] two tabs are one person: their state agrees, and is never told as leaving and joining', async () => {
    const { server, ben } = await watched()
    const [one, two] = [await connect(server, 'ann', { transport }), await connect(server, 'ann', { transport })]
    await join(one, channel, { state: { page: 1 } })
    const { presence } = await join(two, channel)
    expect(presence.members[1]).toEqual({
      user: { id: 'ann' },
      connections: 2,
      state: { page: 1 },
      joinedAt: expect.any(Number),
    })

    await expectReply(two, 'presence:update', { channel, state: { page: 2 } })
    for (const other of [one, ben]) {
      expect(await expectEvent(other, 'presence:update')).toEqual({ ...LEFT, state: { page: 2 } })
    }
    await expectNothing(two, 'presence:update')
    // A join that brings another state is an update as well, told to the tab that did not bring it.
    await join(two, channel, { state: { page: 3 } })
    for (const other of [one, ben]) {
      await expectEvent<{ state: object }>(other, 'presence:update', ({ state }) => 'page' in state && state.page === 3)
    }
    await join(two, channel, { state: { page: 3 } })
    await expectNothing(two, 'presence:update')
    await expectNothing(ben, 'presence:leave')
    expect(told(ben)).toEqual(['presence:join', 'presence:update', 'presence:update'])
    expect(told(one)).toEqual(['presence:update', 'presence:update'])
  })

  test('[PRE2] of a burst of updates the first is told, and the last, to all but the session it is from', async () => {
    const { server, ben } = await watched()
    const [one, two] = [await connect(server, 'ann', { transport }), await connect(server, 'ann', { transport })]
    await join(one, channel)
    await join(two, channel)
    const last = 40
    for (let n = 1; n <= last; n++) one.socket.emit('presence:update', { channel, state: { n } })
    const numbers = (client: Client) =>
      client.received.flatMap(({ event, body }) =>
        event === 'presence:update' ? [(body as { state: { n: number } }).state.n] : [],
      )
    for (const client of [ben, two]) {
      await until('the last is told', () => numbers(client).includes(last))
      const told = numbers(client)
      expect(told[0]).toBe(1)
      expect(told.at(-1)).toBe(last)
      expect(told).toEqual([...told].sort((a, b) => a - b))
      expect(told.length).toBeLessThan(last)
    }
    expect(await listed(ben)).toMatchObject({ state: { n: last } })
    await expectNothing(one, 'presence:update')
  })

  test('[PRE2] what was about to be told of somebody is not told after their leave', async () => {
    const { server, ben } = await watched()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    for (let n = 1; n <= 10; n++) ann.socket.emit('presence:update', { channel, state: { n } })
    await expectReply(ann, 'channel:leave', { channel })
    await join(ann, channel, { state: { back: true } })
    await until('Ann is told anew', () => told(ben).filter((event) => event === 'presence:join').length === 2)
    await expectReply(ann, 'presence:update', { channel, state: { n: 'first' } })
    await expectReply(ann, 'presence:update', { channel, state: { n: 'last' } })
    await expectEvent<{ state: { n?: unknown } }>(ben, 'presence:update', ({ state }) => state.n === 'last')
    const events = told(ben)
    expect(events.slice(events.indexOf('presence:leave'))).toEqual([
      'presence:leave',
      'presence:join',
      'presence:update',
      'presence:update',
    ])
  })

  test('[PRE3] leaving the channel is told at once, and so is disconnecting', async () => {
    const { server, ben } = await watched()
    for (const end of ['leave', 'disconnect'] as const) {
      ben.received.length = 0
      const ann = await connect(server, 'ann', { transport })
      await join(ann, channel)
      if (end === 'leave') await expectReply(ann, 'channel:leave', { channel })
      else ann.socket.disconnect()
      expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
      expect(await listed(ben)).toBeUndefined()
    }
  })

  test('[PRE3] who is lost and comes back was never gone: listed the same to all, and nothing is told', async () => {
    const { server, ben } = await watched()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel, { state: { page: 1 } })
    await expectEvent(ben, 'presence:join')
    const before = await listed(ben)
    lose(ann)
    await expectLost(ben)
    expect(await listed(ben)).toEqual({ ...before, connections: 0 })
    const cat = await connect(server, 'cat', { transport })
    expect((await join(cat, channel)).presence).toMatchObject({
      members: [{}, { ...before, connections: 0 }, {}],
      connections: 2,
    })

    const again = await connect(server, 'ann', { transport })
    const { presence } = await join(again, channel, { state: { page: 1 } })
    expect(presence.members[1]).toEqual(before)
    await expectNothing(ben, 'presence:leave')
    expect(told(ben)).toEqual(['presence:join', 'presence:join'])
    again.socket.disconnect()
    expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
  })

  test('[PRE3] who comes back with another state is told as an update', async () => {
    const { server, ben } = await watched()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel, { state: { page: 1 } })
    await expectEvent(ben, 'presence:join')
    const before = await listed(ben)
    lose(ann)
    await expectLost(ben)
    await join(await connect(server, 'ann', { transport }), channel, { state: { page: 2 } })
    expect(await expectEvent(ben, 'presence:update')).toEqual({ ...LEFT, state: { page: 2 } })
    expect(await listed(ben)).toEqual({ ...before, state: { page: 2 } })
    expect(told(ben)).toEqual(['presence:join', 'presence:update'])
  })

  test('[PRE3] who does not come back is told once the grace is over, and with no grace at once', async () => {
    for (const presenceGraceMs of [SHORT.presenceGraceMs, 0]) {
      const { server, ben } = await watched({ presenceGraceMs })
      const ann = await connect(server, 'ann', { transport })
      await join(ann, channel)
      lose(ann)
      expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
      expect(await listed(ben)).toBeUndefined()
      await join(await connect(server, 'ann', { transport }), channel)
      await until('Ann is told anew', () => told(ben).length === 3)
      expect(told(ben)).toEqual(['presence:join', 'presence:leave', 'presence:join'])
    }
  })

  test('[PRE3] of two tabs one is lost and the other leaves: the lost one is waited for', async () => {
    const { server, ben } = await watched()
    const [lost, leaving] = [await connect(server, 'ann', { transport }), await connect(server, 'ann', { transport })]
    await join(lost, channel)
    await join(leaving, channel)
    lose(lost)
    await expectLost(ben, 1)
    leaving.socket.disconnect()
    await expectLost(ben, 0)
    const again = await connect(server, 'ann', { transport })
    await join(again, channel)
    await expectReply(again, 'channel:leave', { channel })
    expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
    expect(told(ben)).toEqual(['presence:join', 'presence:leave'])
  })

  test('[PRE3] a session that the server sends away for good is not waited for, one that it resets is', async () => {
    const { server, ben } = await watched()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    server.nodeOf(ann).server.io.sockets.sockets.get(ann.connected.socketId)?.conn.close()
    await expectLost(ben)
    const again = await connect(server, 'ann', { transport })
    await join(again, channel)
    server.server.io.in(again.connected.socketId).disconnectSockets(true)
    expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
  })
})

test('[PRE1] replies tell of many people without some states and without some people, the service API of all', async () => {
  const server = await startServer({ ...LONG, apiKeys: [KEY], maxOutboundBytes: 65_536 })
  const people: Client[] = []
  for (let i = 0; i < 12; i++) people.push(await connect(server, `u${i}`))
  for (const person of people) await join(person, channel, { state: { x: 'x'.repeat(4000) } })
  const { presence } = await join(await connect(server, 'late'), channel)
  expect(presence.connections).toBe(13)
  expect(presence.members.map(({ user }) => user.id)).toEqual([
    ...Array.from({ length: 12 }, (_, i) => `u${i}`),
    'late',
  ])
  // A quarter of what may wait.
  expect(presence.members.map(({ state }) => 'x' in state)).toEqual([...Array(3).fill(true), ...Array(10).fill(false)])
  expect(await expectReply(people[0] as Client, 'presence:list', { channel })).toEqual({ ok: true, ...presence })
  const { body } = await (await apiOf(server))('GET', `/api/v1/channels/${channel}/presence`)
  expect((body as PresenceList).members.filter(({ state }) => 'x' in state)).toHaveLength(12)
})

describe('[PRE3] ends that only a WebSocket has', () => {
  test('a close frame 1000 is clean, without a packet as well', async () => {
    const { server, ben } = await watched()
    const raw = await rawAnn(server, ben)
    raw.close(1000)
    expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
  })

  test.each([1001, 4000, undefined, 'no frame'] as const)('a close frame %s is a loss', async (code) => {
    const { server, ben } = await watched()
    const raw = await rawAnn(server, ben)
    if (code === 'no frame') raw.terminate()
    else raw.close(code)
    await expectLost(ben)
  })

  test('a close frame 1000 counts also when a fact runs into it', async () => {
    const { server, ben } = await watched()
    const raw = await rawAnn(server, ben)
    // It reads no more, so it does not end TCP: the server writes to a WebSocket that is closing.
    raw.pause()
    raw.close(1000)
    const left = expectEvent(ben, 'presence:leave')
    let busy = true
    void left.finally(() => {
      busy = false
    })
    while (busy) {
      await server.server.publish(channel, { type: 'a:b', payload: {} })
      await expectReply(ben, 'ping', {})
    }
    expect(await left).toEqual(LEFT)
  })

  test.each([
    [1000, 'clean'],
    [1001, 'a loss'],
  ] as const)('after an upgrade from polling a close frame %i is %s', async (code, _end) => {
    const { server, ben } = await watched()
    const ann = await connect(server, 'ann', { transports: ['polling', 'websocket'], upgrade: true })
    await until('it is upgraded', () => ann.socket.io.engine.transport.name === 'websocket')
    await join(ann, channel)
    const { ws } = ann.socket.io.engine.transport as unknown as { ws: WebSocket }
    ws.close(code)
    if (code === 1000) expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
    else await expectLost(ben)
  })
})

describe('[PRE3] ends that only polling has', () => {
  test.each([
    ['41\x1e1', 'the packet and the end in one request', 'clean'],
    ['41', 'the packet alone', 'clean'],
    ['41/', 'the packet with its namespace', 'clean'],
    ['1', 'the end without the packet', 'a loss'],
  ])('%j, %s, is %s', async (body, _what, end) => {
    const { server, ben } = await watched()
    const ann = await Polling.member(server, 'ann', channel)
    await expectEvent(ben, 'presence:join')
    await ann.post(body)
    if (end === 'clean') expect(await expectEvent(ben, 'presence:leave')).toEqual(LEFT)
    else await expectLost(ben)
  })

  test('to stop polling is a loss', async () => {
    const { server, ben } = await watched({ ...LONG, pingIntervalMs: 500, pingTimeoutMs: 500 })
    await Polling.member(server, 'ann', channel)
    await expectEvent(ben, 'presence:join')
    await expectLost(ben)
  })
})
