import { describe, expect, test } from 'vitest'
import { ownDashboard } from '../../src/protocol/own-dashboard.ts'
import { KEY } from '../support/api.ts'
import { connect, expectEvent, expectReply, factsOf, join } from '../support/connect.ts'
import { at, CLIENT_ID, channel, ID, ISO, MS, open, said, saidByLibrary, upToMark } from '../support/dashboard.ts'
import { as, openPlain, plainTo } from '../support/plain.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'

describe('the document: connecting', () => {
  test('[D2] the first frame is CONNECT, whatever was asked before; without a dashboardId it is one’s own', async () => {
    const server = await startServer()
    const ann = await openPlain(server, `/realtime${as('ann')}`)
    ann.say(said('PING', {}))
    ann.say(said('NONSENSE', {}))
    ann.say('not json')
    await ann.expect('PONG')
    const [greeting] = ann.received
    expect(greeting).toEqual({
      type: 'CONNECT',
      id: ID,
      timestamp: ISO,
      userId: 'ann',
      payload: { clientId: CLIENT_ID, timestamp: ISO },
      ...at(0, 'dashboard:user-ann'),
      // What it is when the client has not shown how it reads.
      ...(greeting?.data !== undefined && { data: greeting.payload }),
    })
    expect(ann.received.filter(({ type }) => type === 'CONNECT')).toHaveLength(1)
    expect(ann.received.filter(({ type }) => type === 'NACK')).toHaveLength(2)
    const second = await openPlain(server, `/api/realtime${as('ann')}&dashboardId=d1`)
    expect(await second.expect('CONNECT')).toEqual({
      type: 'CONNECT',
      id: ID,
      timestamp: ISO,
      userId: 'ann',
      payload: { clientId: CLIENT_ID, timestamp: ISO },
      data: { clientId: CLIENT_ID, timestamp: ISO },
      ...at(0),
    })
  })
})

describe('the document: what is said', () => {
  test('PING is answered with PONG, PONG with nothing, SYNC_REQUEST with how many are there', async () => {
    const server = await startServer()
    const [ann, ben] = [await open(server, 'ann'), await open(server, 'ben')]
    await open(server, 'cat', '&dashboardId=d2')
    // Who has just come to another node is known here in a moment.
    await until('both are counted', async () => {
      ann.say(said('SYNC_REQUEST', {}))
      // One that asks too often is refused.
      await ann.expectCount(1, () => true)
      return ann.taken()[0]?.payload?.clientCount === 2
    })
    ann.say(said('PONG', {}))
    ann.say(said('PING', { any: 1 }, { id: 'test-1' }))
    ann.say(said('SYNC_REQUEST', {}, { id: 'test-2' }))
    await ann.expect('SYNC_RESPONSE')
    expect(ann.taken()).toEqual([
      { type: 'PONG', id: ID, timestamp: ISO, userId: 'ann', correlationId: 'test-1', payload: {} },
      {
        type: 'SYNC_RESPONSE',
        id: ID,
        timestamp: ISO,
        userId: 'ann',
        correlationId: 'test-2',
        payload: { syncState: 'ready', clientCount: 2, timestamp: ISO },
      },
    ])
    expect(await upToMark(ann, ben)).toEqual([[]])
  })

  test('[D3] [D5] a fact is acknowledged to its author and told the others as it came, by who its author really is', async () => {
    const server = await startServer()
    const [ann, ben, cat, dan] = [
      await open(server, 'ann'),
      await open(server, 'ben'),
      await open(server, 'cat', '&dashboardId=d1', 'either'),
      await open(server, 'dan', '&dashboardId=d2'),
    ]
    const facts: [type: string, payload: unknown, reply?: object][] = [
      ['SYNC_UPDATE', { changes: [1, 2], operationId: 'mine' }],
      ['WIDGET_UPDATE', { widgetId: 'widget-1', data: { title: 'New Title', value: 42 } }],
      ['LAYOUT_UPDATE', { layout: { columns: 3 } }],
      [
        'WIDGET_BATCH',
        {
          operations: [
            { type: 'WIDGET_UPDATE', payload: { widgetId: 'w2', data: { a: null } } },
            { type: 'WIDGET_DELETE', payload: { widgetId: 'widget-1' } },
          ],
        },
      ],
      ['WIDGET_DELETE', { widgetId: 'w2' }],
      ['CONFLICT_RESOLVED', { operationId: 'op-1', resolution: 'local' }, { resolved: true }],
      // The protocol has no form for these.
      ['WIDGET_UPDATE', { widgetId: 'w3', data: [1], timestamp: 5, version: 7 }],
      ['WIDGET_UPDATE', 'text'],
      ['WIDGET_DELETE', { widgetId: 7 }],
      ['WIDGET_DELETE', { widgetId: 'never heard of' }],
      ['LAYOUT_UPDATE', { layout: [{ i: 'a', x: 0 }] }],
      ['WIDGET_BATCH', { operations: [{ operationId: 'x', type: 'LAYOUT_UPDATE', payload: {} }], version: 2 }],
      ['WIDGET_BATCH', { operations: [{ type: 'widget:update', payload: { widgetId: 'w9', data: {} } }] }],
      ['SYNC_UPDATE', [1, 2]],
      ['CONFLICT_RESOLVED', null, { resolved: true }],
    ]
    for (const [i, [type, payload]] of facts.entries()) {
      ann.say(said(type, payload, { id: `frame-${i}` }))
      await ann.expect('ACK', ({ correlationId }) => correlationId === `frame-${i}`)
    }
    expect(ann.taken()).toEqual(
      facts.map(([, , reply], i) => ({
        type: 'ACK',
        id: ID,
        timestamp: ISO,
        userId: 'ann',
        correlationId: `frame-${i}`,
        payload: reply ?? { received: true },
        ...at(i + 1),
      })),
    )
    dan.say(said('SYNC_UPDATE', { mark: true }))
    await dan.expect('ACK')
    const [toBen = [], toCat = []] = await upToMark(ann, ben, cat)
    const told = facts.map(([type, payload], i) => ({
      type,
      id: ID,
      timestamp: ISO,
      userId: 'ann',
      payload,
      ...at(i + 1),
    }))
    expect(toBen).toEqual(told)
    expect(new Set(toBen.map(({ id }) => id)).size).toBe(facts.length)
    // Whoever has not shown how they read may read either.
    expect(toCat).toEqual(told.map((frame) => ({ ...frame, data: frame.payload })))
    expect(dan.taken().map(({ type }) => type)).toEqual(['ACK'])
    expect(ann.taken().map(({ type }) => type)).toEqual(['ACK'])
  })

  test('what is refused is refused with the reason, to its author alone', async () => {
    const server = await startServer({ apiKeys: [KEY], access: 'members' })
    await member(server, 'ann', 'viewer')
    await member(server, 'ben', 'editor')
    const [ann, ben] = [await open(server, 'ann'), await open(server, 'ben')]
    ann.say(said('WIDGET_UPDATE', { widgetId: 'w', data: {} }, { id: 'no' }))
    expect(await ann.expect('NACK')).toEqual({
      type: 'NACK',
      id: ID,
      timestamp: ISO,
      userId: 'ann',
      correlationId: 'no',
      payload: { error: expect.stringContaining('viewer') },
    })
    expect(await upToMark(ben, ann)).toEqual([[expect.objectContaining({ type: 'NACK' })]])
    expect(ben.taken().map(({ type }) => type)).toEqual(['ACK'])
  })

  test('[D5] a repeated operationId is one fact; with another body it is another', async () => {
    const server = await startServer()
    const [ann, ben, cat] = [await open(server, 'ann'), await open(server, 'ben'), await open(server, 'cat')]
    const update = (value: number) => ({ operationId: 'op-1', widgetId: 'w', data: { value } })
    ann.say(said('WIDGET_UPDATE', update(1), { id: 'a' }))
    ann.say(said('WIDGET_UPDATE', update(1), { id: 'b' }))
    ann.say(said('WIDGET_UPDATE', update(2), { id: 'c' }))
    ann.say(said('WIDGET_DELETE', { widgetId: 'gone' }, { id: 'd', operationId: 'op-2' }))
    await ann.expect('ACK', ({ correlationId }) => correlationId === 'd')
    ann.say(said('WIDGET_DELETE', { widgetId: 'gone' }, { id: 'e', operationId: 'op-2' }))
    await ann.expect('ACK', ({ correlationId }) => correlationId === 'e')
    cat.say(said('WIDGET_UPDATE', update(1)))
    await cat.expect('ACK')
    const seqs = ann.taken().map(({ type, correlationId, seq }) => [type, correlationId, seq])
    expect(seqs).toEqual([
      ['ACK', 'a', 1],
      ['ACK', 'b', 1],
      ['ACK', 'c', 2],
      ['ACK', 'd', 3],
      ['ACK', 'e', 3],
    ])
    const [toBen = []] = await upToMark(ann, ben)
    expect(toBen.map(({ userId, payload }) => [userId, payload?.data ?? payload])).toEqual([
      ['ann', { value: 1 }],
      ['ann', { value: 2 }],
      ['ann', { widgetId: 'gone' }],
      ['cat', { value: 1 }],
    ])
  })

  test('a write against an older version is refused, with a CONFLICT_DETECTED for each field', async () => {
    const server = await startServer()
    const [ann, ben] = [await open(server, 'ann'), await open(server, 'ben')]
    ann.say(said('WIDGET_UPDATE', { widgetId: 'w', data: { title: 'a', size: 1 } }))
    await ben.expect('WIDGET_UPDATE')
    ann.say(said('WIDGET_UPDATE', { widgetId: 'w', data: { title: 'b', size: 2 } }))
    await ben.expectCount(2, ({ type }) => type === 'WIDGET_UPDATE')
    ben.taken()
    const mine = { widgetId: 'w', data: { title: 'c', size: 3 }, baseVersion: 1, operationId: 'op-9' }
    ben.say(said('WIDGET_UPDATE', mine, { id: 'late' }))
    await ben.expectCount(2, ({ type }) => type === 'CONFLICT_DETECTED')
    const detected = (field: string, localValue: unknown, remoteValue: unknown) => ({
      type: 'CONFLICT_DETECTED',
      id: ID,
      timestamp: ISO,
      userId: 'ben',
      payload: { operationId: 'op-9', field, localValue, remoteValue, timestamp: ISO },
    })
    const [refusal, ...conflicts] = ben.taken()
    expect(refusal).toMatchObject({ type: 'NACK', correlationId: 'late', payload: { error: expect.any(String) } })
    expect(conflicts).toHaveLength(2)
    expect(conflicts).toEqual(expect.arrayContaining([detected('title', 'c', 'b'), detected('size', 3, 2)]))
    // Beside the payload it counts as well; what nobody else wrote is merged.
    ben.say(said('WIDGET_UPDATE', { widgetId: 'w', data: { colour: 'red' } }, { id: 'other', baseVersion: 1 }))
    await ben.expect('ACK')
    expect(await ann.expect('WIDGET_UPDATE')).toMatchObject({
      payload: { widgetId: 'w', data: { colour: 'red' } },
    })
  })
})

describe('the browser library', () => {
  test('[D8] reads the facts of others its own way, and others read its facts theirs', async () => {
    const server = await startServer()
    const [lib, doc] = [await open(server, 'lib', '&dashboardId=d1', 'library'), await open(server, 'doc')]
    const payload = { widgetId: 'w', data: { value: 1 } }
    doc.say(said('WIDGET_UPDATE', payload))
    expect(await lib.expect('WIDGET_UPDATE')).toEqual({
      type: 'WIDGET_UPDATE',
      id: ID,
      timestamp: MS,
      userId: 'doc',
      data: payload,
      payload,
      ...at(1),
    })
    lib.say({ type: 'WIDGET_UPDATE', id: 'other-form', timestamp: 1, data: payload })
    expect(await lib.expect('ACK')).toMatchObject({ id: 'other-form', data: { received: true } })
    expect(await doc.expect('WIDGET_UPDATE')).toEqual({
      type: 'WIDGET_UPDATE',
      id: ID,
      timestamp: ISO,
      userId: 'lib',
      payload,
      ...at(2),
    })
    lib.say(saidByLibrary('WIDGET_UPDATE', 8, { widgetId: 'w', data: { value: 2 } }))
    await doc.expectCount(2, ({ type }) => type === 'WIDGET_UPDATE')
    lib.taken()
    lib.say({ ...saidByLibrary('WIDGET_UPDATE', 9, { widgetId: 'w', data: { value: 3 } }), baseVersion: 1 })
    expect(await lib.expect('CONFLICT_DETECTED')).toEqual({
      type: 'CONFLICT_DETECTED',
      id: ID,
      timestamp: MS,
      userId: 'lib',
      data: { operationId: 'msg_9', field: 'value', localValue: 3, remoteValue: 2, timestamp: MS },
      payload: { operationId: 'msg_9', field: 'value', localValue: 3, remoteValue: 2, timestamp: MS },
    })
    expect(lib.taken()[0]).toMatchObject({ type: 'NACK', id: 'msg_9', error: { code: 'conflict' } })
  })
})

describe('with the others', () => {
  test('[D7] who comes back with a position is told where it stands and what it missed, before anything live', async () => {
    const server = await startServer()
    const ann = await openPlain(server, `/api/realtime${as('ann')}&dashboardId=d1`)
    const { epoch, seq } = await ann.expect('CONNECT')
    expect(seq).toBe(0)
    ann.ws.close()
    await ann.closed
    const ben = await open(server, 'ben')
    for (let value = 1; value <= 3; value++) {
      ben.say(said('WIDGET_UPDATE', { widgetId: 'w', data: { value } }))
      await ben.expectCount(value, ({ type }) => type === 'ACK')
    }
    const back = await openPlain(server, `/api/realtime${as('ann')}&dashboardId=d1&since=${epoch}:1`)
    await back.expect('WIDGET_UPDATE', ({ seq }) => seq === 3)
    const came = await upToMark(ben, back)
    expect(came).toEqual([
      [
        expect.objectContaining({ type: 'CONNECT', ...at(3), recovered: true }),
        expect.objectContaining({ type: 'WIDGET_UPDATE', userId: 'ben', ...at(2) }),
        expect.objectContaining({ type: 'WIDGET_UPDATE', userId: 'ben', ...at(3) }),
      ],
    ])
    const other = await openPlain(server, `/api/realtime${as('ann')}&dashboardId=d1&since=another:1`)
    expect(await other.expect('CONNECT')).toMatchObject({ recovered: false, reason: 'epoch_changed', ...at(4) })
    const broken = plainTo(server, `/api/realtime${as('ann')}&dashboardId=d1&since=here`)
    expect(await broken.closed).toEqual({ code: 4502, reason: expect.stringContaining('since.seq') })
  })

  test('[D1] facts of other families and of the protocol come under their names; its own reach them', async () => {
    const server = await startServer()
    const [dash, ann] = [await open(server, 'dash'), await connect(server, 'ann')]
    const { epoch } = await join(ann, channel)
    const published = [
      ['task:update', { id: 't1' }, 'TASK_UPDATE', { id: 't1' }],
      ['widget:update', { widgetId: 'w', data: { a: 1 } }, 'WIDGET_UPDATE', { widgetId: 'w', data: { a: 1 } }],
      [
        'widget:batch',
        { operations: [{ type: 'widget:delete', payload: { widgetId: 'w' } }] },
        'WIDGET_BATCH',
        { operations: [{ type: 'WIDGET_DELETE', payload: { widgetId: 'w' } }] },
      ],
      ['layout:update', { layout: { n: 1 } }, 'LAYOUT_UPDATE', { layout: { n: 1 } }],
      ['layout:update', { layout: { n: 2 } }, 'LAYOUT_UPDATE', { layout: { n: 2 } }],
      ['layout:restore', { version: 1 }, 'LAYOUT_UPDATE', { layout: { n: 1 } }],
    ] as const
    for (const [event, payload] of published) await expectReply(ann, event, { channel, payload })
    await expectReply(ann, 'typing', { channel, isTyping: true })
    await server.server.publish(channel, { type: 'dashboard:update', payload: { theme: 'dark' } })
    await server.server.publish(channel, { type: 'event:other', payload: { type: 'SERVER_BROADCAST', payload: 7 } })
    await server.server.publish(channel, { type: 'event:other', payload: { type: { toString: 1 } } })
    await dash.expect('EVENT_OTHER')
    const told = [
      ...published.map(([, , type, payload]) => ({ type, userId: 'ann', payload })),
      { type: 'DASHBOARD_UPDATE', userId: '', payload: { theme: 'dark' } },
      { type: 'SERVER_BROADCAST', userId: '', payload: 7 },
      { type: 'EVENT_OTHER', userId: '' },
    ]
    expect(dash.taken()).toEqual(told.map((frame, i) => ({ ...frame, id: ID, timestamp: ISO, ...at(i + 1), epoch })))
    dash.say(said('WIDGET_UPDATE', { widgetId: 'w', data: { a: 2 } }))
    dash.say(said('SYNC_UPDATE', { s: 1 }))
    dash.say(said('LAYOUT_UPDATE', { layout: [1] }))
    await expectEvent(ann, 'event:other', ({ seq }) => seq === 12)
    expect(factsOf(ann, channel).slice(-3)).toMatchObject([
      { type: 'widget:update', user: { id: 'dash' }, payload: { widgetId: 'w', data: { a: 2 }, version: 3 } },
      { type: 'sync:update', payload: { s: 1 } },
      { type: 'event:other', payload: { type: 'LAYOUT_UPDATE', payload: { layout: [1] } } },
    ])
  })

  test('[D2] an app’s server tells one person by their own dashboard, or by their user channel', async () => {
    const server = await startServer()
    const ann = await open(server, 'ann', '')
    const own = ownDashboard('ann') as string
    await server.server.publish(own, { type: 'widget:update', payload: { widgetId: 'w', data: {} }, userId: 'admin' })
    expect(await ann.expect('WIDGET_UPDATE')).toMatchObject({ userId: 'admin', ...at(1, own) })
    await server.server.publish('user:ann', { type: 'sync:update', payload: { to: 'you' } })
    expect(await ann.expect('SYNC_UPDATE')).toMatchObject({ payload: { to: 'you' }, ...at(1, 'user:ann') })
  })

  test('[JOIN7] whoever is removed is told, hears no more, and comes in again when they may', async () => {
    const server = await startServer({ apiKeys: [KEY], access: 'members' })
    for (const userId of ['ann', 'ben']) await member(server, userId, 'editor')
    const [ann, ben] = [await open(server, 'ann'), await open(server, 'ben')]
    await member(server, 'ann', undefined)
    expect(await ann.expect('DISCONNECT')).toEqual({
      type: 'DISCONNECT',
      id: ID,
      timestamp: ISO,
      userId: 'ann',
      payload: { reason: 'removed' },
    })
    ben.say(said('SYNC_UPDATE', { secret: true }))
    await ben.expect('ACK')
    await member(server, 'ann', 'viewer')
    ann.taken()
    ann.say(said('PING', {}))
    await ann.expect('PONG')
    expect(ann.taken().map(({ type }) => type)).toEqual(['CONNECT', 'PONG'])
    await member(server, 'ann', undefined)
    await ann.expect('DISCONNECT')
    ann.say(said('PING', {}))
    expect(await ann.closed).toEqual({ code: 1008, reason: 'Unauthorized' })
    expect(ann.received.map(({ type }) => type)).not.toContain('SYNC_UPDATE')
  })
})

async function member(server: TestServer, userId: string, role: string | undefined): Promise<void> {
  const response = await fetch(`${server.url}/api/v1/channels/${channel}/members/${userId}`, {
    method: role ? 'PUT' : 'DELETE',
    headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
    ...(role && { body: JSON.stringify({ role }) }),
  })
  expect(response.status).toBe(200)
}
