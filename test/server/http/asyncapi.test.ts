import { expect, test } from 'vitest'
import { z } from 'zod'
import { CLIENT_EVENTS } from '../../../src/protocol/client-events.ts'
import { SERVER_EVENTS } from '../../../src/protocol/server-events.ts'
import { apiOf, KEY } from '../../support/api.ts'
import { ask, connect, expectEvent, factsOf, join } from '../../support/connect.ts'
import { asyncApiOf, expectEventDescribed, expectReplyDescribed } from '../../support/described.ts'
import { danglingReferences } from '../../support/references.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'

const channel = 'project:p1'
const declared = { 'card:move': { payload: z.object({ to: z.string() }) }, 'poll:vote': {} }

test('the document has every event of the tables, the deployment’s own too, and each reference leads somewhere', async () => {
  const document = await asyncApiOf(await startServer({ events: declared }))
  expect(document.asyncapi).toBe('3.0.0')
  expect(danglingReferences(document)).toEqual([])
  const { requests, replies, events } = document.channels
  const client = [...Object.keys(CLIENT_EVENTS), ...Object.keys(declared)].sort()
  expect(Object.keys(requests.messages).sort()).toEqual(client)
  expect(Object.keys(replies.messages).sort()).toEqual(client)
  const server = Object.keys(events.messages)
  for (const name of ['task:create', 'card:move', ...Object.keys(SERVER_EVENTS)]) expect(server).toContain(name)
  expect(server).not.toContain('channel:join')
  const operations = Object.entries(document.operations).map(([name, { action }]) => `${action} ${name}`)
  expect(operations.sort()).toEqual(
    [...client.map((name) => `receive receive.${name}`), ...server.map((name) => `send send.${name}`)].sort(),
  )
})

test('what a client says and receives is as described', async () => {
  const server = await startServer({ events: declared })
  const document = await asyncApiOf(server)
  const token = tokenFor('ben', { exp: Math.floor(Date.now() / 1000) + 20 })
  const [ann, ben] = [await connect(server, 'ann'), await connect(server, 'ben', { token })]
  const said = async (event: string, body?: unknown) => {
    const reply = await ask(ann, event, body)
    expectReplyDescribed(document, event, reply)
    return reply.ok
  }
  await join(ben, channel)
  expect(await said('channel:join', { channel, last: 5, state: { busy: true } })).toBe(true)
  expect(await said('presence:update', { channel, state: { busy: false } })).toBe(true)
  expect(await said('presence:list', { channel })).toBe(true)
  expect(await said('task:update', { channel, payload: { id: 't1' }, operationId: 'op' })).toBe(true)
  expect(await said('task:update', { channel, payload: { id: 't1' }, operationId: 'op' })).toBe(true)
  expect(await said('task:update', { channel, payload: { id: 't2' }, operationId: 'op' })).toBe(false)
  expect(await said('task:update', { channel, payload: 'text' })).toBe(false)
  expect(await said('card:move', { channel, payload: { to: 'done' } })).toBe(true)
  expect(await said('card:move', { channel, payload: {} })).toBe(false)
  expect(await said('channel:history', { channel })).toBe(true)
  expect(await said('auth:refresh', { token: tokenFor('ann') })).toBe(true)
  expect(await said('auth:refresh', { token: 'none' })).toBe(false)
  expect(await said('ping', {})).toBe(true)
  await server.server.publish(channel, { type: 'invoice:paid', payload: { id: 'i1' } })
  ben.socket.emit('task:update', { channel, payload: 'text', operationId: 'bad' })
  ben.socket.emit('ping')
  expect(await said('channel:leave', { channel })).toBe(true)

  await expectEvent(ben, 'presence:leave')
  const closed = server.server.close()
  const expected = ['connected', 'presence:join', 'presence:update', 'task:update', 'card:move', 'invoice:paid']
  for (const event of [...expected, 'pong', 'error', 'auth:expiring', 'server:shutdown']) await expectEvent(ben, event)
  await closed
  for (const { event, body } of ben.received) expectEventDescribed(document, event, body)
})

test('what chat, documents, signals and members say is as described', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const [document, api] = [await asyncApiOf(server), await apiOf(server)]
  const [ann, ben, cay] = [await connect(server, 'ann'), await connect(server, 'ben'), await connect(server, 'cay')]
  for (const client of [ann, ben, cay]) expectReplyDescribed(document, 'channel:join', await join(client, channel))
  await api('PUT', '/api/v1/users/cay/blocks/ann')
  await api('PUT', '/api/v1/users/ann/blocks/cay')
  const payloads: Record<string, Record<string, unknown>[]> = {
    'message:send': [
      { content: 'Hi', id: 'm1' },
      { content: 'Hi', id: 'm1' },
    ],
    'message:edit': [
      { messageId: 'm1', content: 'Ho' },
      { messageId: 'none', content: 'Ho' },
    ],
    'message:delete': [{ messageId: 'm1' }],
    'widget:update': [{ widgetId: 'w1', data: { a: 1 } }],
    'widget:batch': [{ operations: [{ type: 'widget:update', payload: { widgetId: 'w2', data: {} } }] }],
    'widget:delete': [{ widgetId: 'w1' }, { widgetId: 'none' }],
    'layout:update': [{ layout: { columns: 1 } }, { layout: { columns: 2 } }],
    'layout:restore': [{ version: 1 }],
    'member:added': [{ userId: 'dan', role: 'viewer' }],
  }
  const requests: [event: string, body: Record<string, unknown>][] = [
    ...Object.entries(payloads).flatMap(([event, list]) =>
      list.map((payload): [string, Record<string, unknown>] => [event, { payload }]),
    ),
    ['layout:update', { payload: { layout: { columns: 3 } }, baseVersion: 1 }],
    ['conflict:resolve', { operationId: 'r1', documentId: 'layout', resolution: 'theirs', baseVersion: 1 }],
    ['conflict:resolve', { operationId: 'r2', documentId: 'layout', resolution: 'mine', data: {}, baseVersion: 3 }],
    ['message:list', {}],
    ['message:read', { seq: 3 }],
    ['document:list', {}],
    ['channel:history', {}],
    ['typing', { isTyping: true }],
    ['cursor', { position: { x: 1 } }],
    ['signal', { name: 'wave', payload: 1 }],
    ['sync', { operations: [{ operationId: 's1', channel, type: 'task:move', payload: {} }, null] }],
  ]
  const granted = new Set<string>()
  for (const [event, body] of requests) {
    const reply = await ask(ann, event, { channel, ...body })
    expectReplyDescribed(document, event, reply)
    if (reply.ok) granted.add(event)
  }
  // Of all that was asked, only members are an admin's.
  expect([...granted].sort()).toEqual(
    [...new Set(requests.map(([event]) => event))].filter((e) => e !== 'member:added').sort(),
  )
  expectReplyDescribed(document, 'channel:history', await ask(cay, 'channel:history', { channel }))
  await api('PUT', `/api/v1/channels/${channel}/members/ben`, { role: 'none' })
  const left = [
    'message:send',
    'widget:batch',
    'layout:restore',
    'typing',
    'cursor',
    'signal',
    'task:move',
    'channel:left',
  ]
  for (const event of left) await expectEvent(ben, event)
  for (const { received } of [ann, ben, cay]) {
    for (const { event, body } of received) expectEventDescribed(document, event, body)
  }
  expect(factsOf(cay, channel).map(({ type }) => type as string)).toContain('hidden')
})

test('expectEventDescribed sees what is missing, misnamed, of another kind or not described', async () => {
  const document = await asyncApiOf(await startServer({ events: declared }))
  const good = {
    type: 'card:move',
    channel,
    epoch: 'e',
    seq: 1,
    operationId: 'op',
    user: null,
    payload: { to: 'done' },
    timestamp: 1,
  }
  expectEventDescribed(document, 'card:move', good)
  const { operationId: _, ...less } = good
  for (const bad of [
    less,
    { ...good, seq: 0 },
    { ...good, type: 'a:b' },
    { ...good, payload: {} },
    { ...good, sq: 1 },
  ]) {
    expect(() => expectEventDescribed(document, 'card:move', bad), JSON.stringify(bad)).toThrow()
  }
  expect(() => expectEventDescribed(document, 'unheard', {})).toThrow(/no event unheard/)
  expect(() => expectReplyDescribed(document, 'ping', { ok: true })).toThrow()
  expect(() => expectReplyDescribed(document, 'ping', { ok: false, error: { code: 'forbidden' } })).toThrow()
})
