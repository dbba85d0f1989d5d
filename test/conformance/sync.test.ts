import { describe, expect, test } from 'vitest'
import type { SyncResult } from '../../src/protocol/sync.ts'
import {
  ask,
  type Client,
  connect,
  expectEvent,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'project:p1'

async function sync(client: Client, operations: unknown[]): Promise<SyncResult[]> {
  const { results } = await expectReply<{ results: SyncResult[] }>(client, 'sync', { operations })
  return results
}

function operation(operationId: string, more: Record<string, unknown> = {}) {
  return { operationId, channel, type: 'task:update', payload: { of: operationId }, ...more }
}

/** What became of each, in short: its seq, or why it was refused. */
function outcomes(results: SyncResult[]): unknown[] {
  return results.map((result) => (result.ok ? result.seq : result.error.code))
}

describe.each(TRANSPORTS)('sync over %s', (transport) => {
  test('operations are done in their order, each answered as its fact alone would be, and told to the others', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const ben = await connect(server, 'ben', { transport })
    const { epoch } = await join(ann, channel)
    await join(ann, 'room:r1')
    await join(ben, channel)
    const results = await sync(ann, [
      operation('a'),
      operation('b', { channel: 'room:r1' }),
      operation('c', { type: 'message:send', payload: { id: 'm1', content: 'hello' } }),
      operation('d', { type: 'widget:update', payload: { widgetId: 'w', data: { x: 1 } } }),
      operation('e', { type: 'widget:update', payload: { widgetId: 'w', data: { y: 1 } }, baseVersion: 1 }),
    ])
    expect(results).toMatchObject([
      { ok: true, operationId: 'a', epoch, seq: 1, timestamp: expect.any(Number) },
      { ok: true, operationId: 'b', seq: 1 },
      { ok: true, operationId: 'c', seq: 2, messageId: 'm1' },
      { ok: true, operationId: 'd', seq: 3, version: 1 },
      { ok: true, operationId: 'e', seq: 4, version: 2 },
    ])
    await expectEvent(ben, 'widget:update', ({ seq }) => seq === 4)
    expect(factsOf(ben, channel).map(({ seq, operationId }) => [seq, operationId])).toEqual([
      [1, 'a'],
      [2, 'c'],
      [3, 'd'],
      [4, 'e'],
    ])
    // The replies stand for its own facts [SEQ3].
    expect(factsOf(ann, channel)).toEqual([])
  })

  test('[OP1] a repeat, whole or in part, is applied once; the results are the first ones', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    const operations = [operation('a'), operation('m', { type: 'message:send', payload: { content: 'hello' } })]
    const first = await sync(ann, operations)
    const again = await sync(ann, [...operations, operation('b'), operation('b')])
    expect(again.slice(0, 2)).toEqual(first.map((result) => ({ ...result, duplicate: true })))
    expect(again.slice(2)).toMatchObject([{ seq: 3 }, { seq: 3, duplicate: true }])
    expect(await expectReply(ann, 'channel:history', { channel })).toMatchObject({ head: 3 })
  })

  test('a malformed or refused operation is refused alone, naming what is wrong; the others are done', async () => {
    const server = await startServer({ access: 'claims' })
    const token = tokenFor('ann', { channels: { [channel]: 'editor', 'room:r1': 'viewer', 'room:r2': 'editor' } })
    const ann = await connect(server, 'ann', { transport, token })
    for (const at of [channel, 'room:r1']) await join(ann, at)
    const cases: [operation: unknown, expected: unknown][] = [
      [null, { operationId: null, error: { code: 'invalid' } }],
      ['text', { operationId: null, error: { code: 'invalid' } }],
      [{}, { operationId: null, error: { code: 'invalid' } }],
      [operation(''), { operationId: '', error: { code: 'invalid', details: [{ path: 'operationId' }] } }],
      [operation('1', { channel: 'nowhere' }), { error: { code: 'invalid', details: [{ path: 'channel' }] } }],
      [operation('2', { payload: 7 }), { error: { code: 'invalid', details: [{ path: 'payload' }] } }],
      [operation('3', { type: 'cursor' }), { error: { code: 'invalid' } }],
      [operation('4', { type: 'card:move' }), { error: { code: 'unknown_event' } }],
      [operation('5', { channel: 'room:r2' }), { error: { code: 'not_joined' } }],
      [operation('6', { channel: 'room:r1' }), { error: { code: 'forbidden' } }],
      [operation('7', { type: 'project:delete' }), { error: { code: 'forbidden' } }],
      [
        operation('8', { type: 'message:send', payload: { content: '' } }),
        { error: { code: 'invalid', details: [{ path: 'payload.content' }] } },
      ],
      [
        operation('9', { type: 'message:edit', payload: { messageId: 'no', content: 'x' } }),
        { error: { code: 'not_found' } },
      ],
    ]
    const results = await sync(ann, [operation('first'), ...cases.map(([one]) => one), operation('last')])
    expect(outcomes([results[0], results.at(-1)] as SyncResult[])).toEqual([1, 2])
    cases.forEach(([given, expected], i) => {
      expect(results[i + 1], JSON.stringify(given)).toMatchObject({ ok: false, ...(expected as object) })
    })
    expect(await expectReply(ann, 'channel:history', { channel })).toMatchObject({ head: 2 })
  })

  test('a malformed list is refused whole, and so is one that is too long', async () => {
    const server = await startServer({ rateFactsPerSecond: 1000 })
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    for (const operations of [undefined, null, {}, 'a', Array.from({ length: 101 }, (_, i) => operation(`${i}`))]) {
      expect(await expectRefusal(ann, 'sync', { operations })).toMatchObject({
        code: 'invalid',
        details: [{ path: 'operations' }],
      })
    }
    expect(await sync(ann, [])).toEqual([])
    expect(
      await sync(
        ann,
        Array.from({ length: 100 }, (_, i) => operation(`${i}`)),
      ),
    ).toHaveLength(100)
    expect(await expectReply(ann, 'channel:history', { channel })).toMatchObject({ head: 100 })
  })

  test('[REQ5] what is asked around a sync keeps its place, the join before it included', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const asked = [
      ask(ann, 'channel:join', { channel }),
      ask(ann, 'task:create', { channel, payload: {}, operationId: 'before' }),
      ask(ann, 'sync', { operations: [operation('a'), operation('b')] }),
      ask(ann, 'task:create', { channel, payload: {}, operationId: 'after' }),
    ]
    await Promise.all(asked)
    const { events } = await expectReply<{ events: { operationId: string }[] }>(ann, 'channel:history', { channel })
    expect(events.map(({ operationId }) => operationId)).toEqual(['before', 'a', 'b', 'after'])
  })
})

test('a sync costs as many requests as it has operations', async () => {
  const server = await startServer({ rateFactsPerSecond: 5 })
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  await sync(
    ann,
    Array.from({ length: 50 }, (_, i) => operation(`${i}`)),
  )
  const refused = await expectRefusal(ann, 'task:create', { channel, payload: {} })
  expect(refused).toMatchObject({ code: 'rate_limited' })
  // 50 at 5 a second, but for the ten that were free.
  expect(refused.retryAfterMs).toBeGreaterThan(5000)
})

test('many conflicts in one sync are told within what a reply may hold, and cut nobody', async () => {
  const server = await startServer({ rateFactsPerSecond: 1000 })
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const write = (data: Record<string, unknown>) =>
    operation(crypto.randomUUID(), { type: 'widget:update', payload: { widgetId: 'w', data }, baseVersion: 0 })
  const text = 'x'.repeat(60_000)
  for (const field of ['a', 'b']) await sync(ann, [write({ [field]: text })])
  const results = await sync(
    ann,
    Array.from({ length: 40 }, (_, n) => write({ a: n })),
  )
  const told = results.map((result) => !result.ok && result.error.code === 'conflict' && result.error.conflict?.version)
  // Each of them is a conflict, and the first ones tell with what.
  expect(told[0]).toBe(2)
  expect(told.at(-1)).toBeUndefined()
  expect(told).not.toContain(false)
  expect(JSON.stringify(results).length).toBeLessThan(524_288)
  await expectReply(ann, 'ping', {})
})
