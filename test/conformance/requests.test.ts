import { describe, expect, test } from 'vitest'
import {
  ask,
  type Client,
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'

const channel = 'project:p1'

/** A session in the room that must notice nothing of what the other one does. */
async function pair(transport: 'websocket' | 'polling'): Promise<{ ann: Client; ben: Client }> {
  const server = await startServer()
  const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
  await join(ann, channel)
  await join(ben, channel)
  return { ann, ben }
}

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { value }
  return value
}

describe.each(TRANSPORTS)('requests over %s', (transport) => {
  test('[REQ1] a body that is no object, or not as the schema says, is refused with invalid, naming the field', async () => {
    const { ann, ben } = await pair(transport)
    const cases: [body: unknown, path: string][] = [
      [undefined, ''],
      [null, ''],
      ['text', ''],
      [7, ''],
      [[], ''],
      [{}, 'channel'],
      [{ channel }, 'payload'],
      [{ channel, payload: [] }, 'payload'],
      [{ channel, payload: 'text' }, 'payload'],
      [{ channel, payload: {}, operationId: '' }, 'operationId'],
      [{ channel, payload: {}, operationId: 'x'.repeat(129) }, 'operationId'],
      [{ channel, payload: {}, operationId: 7 }, 'operationId'],
      [{ channel, payload: {}, operationId: 'a\u0000b' }, 'operationId'],
      [{ channel, payload: {}, operationId: 'a\ud800' }, 'operationId'],
      [{ channel, payload: {}, baseVersion: -1 }, 'baseVersion'],
    ]
    for (const [body, path] of cases) {
      const error = await expectRefusal(ann, 'task:update', body)
      expect(error, JSON.stringify(body)).toMatchObject({ code: 'invalid', retryable: false })
      expect(error.details?.[0]?.path, JSON.stringify(body)).toBe(path)
      expect(error.message).toContain('task:update')
    }
    expect(await expectRefusal(ann, 'channel:join', { channel, since: { epoch: 'x', seq: -1 } })).toMatchObject({
      details: [{ path: 'since.seq' }],
    })
    expect(await expectRefusal(ann, 'channel:join', { channel, last: 301 })).toMatchObject({
      details: [{ path: 'last' }],
    })
    expect(ann.socket.connected).toBe(true)
    await expectReply(ann, 'task:update', { channel, payload: { after: 'all that' } })
    await expectEvent(ben, 'task:update')
    expect(factsOf(ben, channel)).toHaveLength(1)
  })

  test('[REQ1] A16 a body over MAX_MESSAGE_BYTES is refused with too_large; one of just that size is not', async () => {
    const { ann, ben } = await pair(transport)
    const body = (text: string) => ({ channel, payload: { text } })
    const room = 65_536 - JSON.stringify(body('')).length
    for (const text of ['x'.repeat(room + 1), 'é'.repeat(room / 2 + 1), 'x'.repeat(150_000)]) {
      expect(await expectRefusal(ann, 'task:update', body(text))).toMatchObject({ code: 'too_large', retryable: false })
    }
    await expectReply(ann, 'task:update', body('x'.repeat(room)))
    const { payload } = await expectEvent(ben, 'task:update')
    expect((payload as { text: string }).text).toHaveLength(room)
    expect(factsOf(ben, channel)).toHaveLength(1)
  })

  test('[REQ1] A16 a body nested deeper than 32 is refused with invalid; one of 32 is not', async () => {
    const { ann, ben } = await pair(transport)
    // The body and its payload are two levels themselves.
    const body = (levels: number) => ({ channel, payload: { deep: nested(levels - 2) } })
    for (const levels of [33, 100, 3000]) {
      expect(await expectRefusal(ann, 'task:update', body(levels))).toMatchObject({ code: 'invalid' })
    }
    // Brackets inside a string are no levels.
    await expectReply(ann, 'task:update', { channel, payload: { text: `${'[{"\\'.repeat(200)}"` } })
    await expectReply(ann, 'task:update', body(32))
    await expectEvent(ben, 'task:update', ({ seq }) => seq === 2)
    expect(ann.socket.connected).toBe(true)
  })

  test('[REQ2] an event that is not in the tables gets unknown_event', async () => {
    const { ann } = await pair(transport)
    const names = [
      'nope',
      'card:move',
      'message',
      'error',
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      '',
      'TASK_UPDATE',
    ]
    for (const name of names)
      expect(await expectRefusal(ann, name, { channel }), name).toMatchObject({ code: 'unknown_event' })
    expect(await expectRefusal(ann, 7 as never, { channel })).toMatchObject({ code: 'unknown_event' })
    expect(ann.socket.connected).toBe(true)
  })

  test('[REQ2] an event that the deployment declares is a fact', async () => {
    const server = await startServer({ events: ['card:move'] })
    const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
    await join(ann, channel)
    await join(ben, channel)
    expect(await expectReply(ann, 'card:move', { channel, payload: { to: 3 } })).toMatchObject({ seq: 1 })
    expect(await expectEvent(ben, 'card:move')).toMatchObject({ type: 'card:move', payload: { to: 3 } })
  })

  test('[REQ3] every request but join, refresh and ping needs the session to be joined', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const bodies: [string, object][] = [
      ['channel:leave', { channel }],
      ['channel:history', { channel }],
      ['presence:list', { channel }],
      ['presence:update', { channel, state: {} }],
      ['task:update', { channel, payload: {} }],
      ['comment:create', { channel, payload: {} }],
    ]
    for (const [event, body] of bodies) {
      expect(await expectRefusal(ann, event, body), event).toMatchObject({ code: 'not_joined', retryable: false })
    }
    expect(await ask(ann, 'ping', {})).toMatchObject({ ok: true, timestamp: expect.any(Number) })
    await join(ann, channel)
    for (const [event, body] of bodies.slice(1)) await expectReply(ann, event, body)
    await expectReply(ann, 'channel:leave', { channel })
    expect(await expectRefusal(ann, 'task:update', { channel, payload: {} })).toMatchObject({ code: 'not_joined' })
  })

  test('section 4: without an ack a failure is emitted as error, a success is silent, and ping gets pong', async () => {
    const { ann, ben } = await pair(transport)
    ann.socket.emit('task:update', { channel, payload: 'no object', operationId: 'op-1' })
    expect(await expectEvent(ann, 'error')).toMatchObject({
      code: 'invalid',
      retryable: false,
      event: 'task:update',
      operationId: 'op-1',
      message: expect.stringContaining('payload'),
    })
    ann.socket.emit('nope')
    await expectEvent<{ event: string }>(ann, 'error', ({ event }) => event === 'nope')
    ann.received.length = 0
    ann.socket.emit('task:update', { channel, payload: {} })
    await expectEvent(ben, 'task:update')
    await expectNothing(ann, 'error')
    ann.socket.emit('ping')
    expect(await expectEvent(ann, 'pong')).toEqual({ timestamp: expect.any(Number) })
  })

  test('[REQ4] A24 nothing a client sends stops the process, pollutes a prototype or is noticed by others', async () => {
    const { ann, ben } = await pair(transport)
    const hostile = [
      { channel, payload: JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}') },
      { channel, payload: {}, toString: 'x', __proto__: null },
      JSON.parse('{"__proto__":{"channel":"project:p1","payload":{}}}'),
      { channel: { toString: 'project:p1' }, payload: {} },
      { channel, payload: { n: 1e308, m: -1e-308, text: '\u0000\ud800\u2028', '': '' } },
    ]
    for (const body of hostile) {
      for (const event of [
        'task:update',
        'channel:join',
        'channel:history',
        'presence:update',
        'auth:refresh',
        'ping',
        'channel:leave',
      ]) {
        if (event === 'channel:leave') ann.socket.emit(event, { ...body, channel: 'project:other' })
        else ann.socket.emit(event, body)
      }
    }
    // Where a callback would be, something that is none.
    ann.socket.emit('task:update', { channel, payload: {} }, 'no function', null)
    await expectReply(ann, 'task:update', { channel, payload: { last: true } })
    await expectEvent(ben, 'task:update', ({ payload }) => payload.last === true)
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    expect(ben.received.filter(({ event }) => event === 'error')).toEqual([])
    for (const fact of factsOf(ben, channel)) expect((fact.payload as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })

  test('[REQ5] a history tells of what was sent before it and of nothing that was sent after it', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    const replies = await Promise.all(
      Array.from({ length: 10 }, (_, i) => [
        ask(ann, 'task:update', { channel, payload: { i } }),
        ask(ann, 'channel:history', { channel }),
      ]).flat(),
    )
    const heads = replies.filter((_, i) => i % 2 === 1).map((reply) => (reply as { head?: number }).head)
    expect(heads).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('[REQ5] requests of one session on one channel are applied in the order they were sent', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const watcher = await connect(server, 'watcher', { transport })
    await join(watcher, channel)
    // Nothing is awaited in between: the join, what follows it, the leave and the join again.
    const replies = await Promise.all([
      ask(ann, 'channel:join', { channel }),
      ...Array.from({ length: 20 }, (_, i) => ask(ann, 'task:update', { channel, payload: { i } })),
      ask(ann, 'channel:history', { channel }),
      ask(ann, 'channel:leave', { channel }),
      ask(ann, 'task:update', { channel, payload: { i: 'too late' } }),
      ask(ann, 'channel:join', { channel, last: 300 }),
      ask(ann, 'task:update', { channel, payload: { i: 20 } }),
    ])
    expect(replies.map(({ ok }) => ok)).toEqual([...Array(23).fill(true), false, true, true])
    expect(replies.slice(1, 21).map((reply) => (reply as { seq?: number }).seq)).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 1),
    )
    const history = replies[21] as unknown as { events: unknown[]; head: number }
    expect(history.events).toHaveLength(20)
    expect(replies[24]).toMatchObject({ head: 20 })
    await expectEvent(watcher, 'task:update', ({ seq }) => seq === 21)
    expect(factsOf(watcher, channel).map(({ payload }) => payload.i)).toEqual(Array.from({ length: 21 }, (_, i) => i))
  })
})

test('[REQ5] what is sent after a conflict is resolved comes after it', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const write = (text: string) => ({ channel, payload: { widgetId: 'w', data: { text } } })
  await expectReply(ann, 'widget:update', write('first'))
  const [resolved, updated] = await Promise.all([
    expectReply<{ seq: number }>(ann, 'conflict:resolve', {
      channel,
      operationId: 'r',
      documentId: 'widget:w',
      resolution: 'mine',
      data: { text: 'resolved' },
      baseVersion: 1,
    }),
    expectReply<{ seq: number }>(ann, 'widget:update', write('last')),
  ])
  expect([resolved.seq, updated.seq]).toEqual([2, 3])
})
