import { describe, expect, test } from 'vitest'
import {
  type Client,
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'

/** Somebody's first session and another tab of theirs, somebody else in the channel, and one who is elsewhere. */
async function people(server: TestServer, transport: (typeof TRANSPORTS)[number]) {
  const token = tokenFor('ann', { name: 'Ann' })
  const ann = await connect(server, 'ann', { transport, token })
  const tab = await connect(server, 'ann', { transport, token })
  const ben = await connect(server, 'ben', { transport })
  const eve = await connect(server, 'eve', { transport })
  for (const person of [ann, tab, ben]) await join(person, channel)
  await join(eve, 'project:p2')
  return { ann, tab, ben, eve, user: { id: 'ann', name: 'Ann' } }
}

function bodiesOf<T = Record<string, unknown>>(client: Client, event: string): T[] {
  return client.received.filter((one) => one.event === event).map(({ body }) => body as T)
}

describe.each(TRANSPORTS)('signals over %s', (transport) => {
  test('[SIG1] a signal goes to the other sessions of the channel, never back, and is not kept', async () => {
    const server = await startServer()
    const { ann, tab, ben, eve, user } = await people(server, transport)
    const sessionId = ann.connected.socketId
    const sent: [event: string, body: Record<string, unknown>, told: Record<string, unknown>][] = [
      ['typing', { isTyping: true, context: 'title' }, { user, isTyping: true, context: 'title' }],
      ...[17, 'at noon'].map((timestamp): [string, Record<string, unknown>, Record<string, unknown>] => {
        const body = { isTyping: true, context: `since ${timestamp}`, timestamp }
        return ['typing', body, { user, ...body }]
      }),
      ['cursor', { position: { x: 1, y: [2] } }, { user, sessionId, position: { x: 1, y: [2] } }],
      ['cursor', { position: null, context: 'doc' }, { user, sessionId, position: null, context: 'doc' }],
      ['signal', { name: 'wave', payload: [1] }, { user, sessionId, name: 'wave', payload: [1] }],
    ]
    for (const [event, body, told] of sent) {
      // Nobody can speak for somebody else [A15].
      const spoofed = { user: { id: 'ben' }, sessionId: ben.connected.socketId }
      expect(await expectReply(ann, event, { channel, ...spoofed, ...body })).toEqual({ ok: true })
      for (const other of [tab, ben]) {
        const context = (body as { context?: string }).context
        const came = await expectEvent<Record<string, unknown>>(other, event, (one) => one.context === context)
        expect(came).toEqual({ channel, ...told })
      }
    }
    for (const event of ['typing', 'cursor', 'signal']) {
      await expectNothing(ann, event)
      await expectNothing(eve, event)
    }
    const { head, events } = await expectReply<{ head: number; events: unknown[] }>(ann, 'channel:history', { channel })
    expect({ head, events }).toEqual({ head: 0, events: [] })
  })

  test('[SIG1] a viewer may signal, who is no member may not', async () => {
    const server = await startServer({ access: 'claims' })
    const token = tokenFor('ann', { channels: { [channel]: 'viewer' } })
    const ann = await connect(server, 'ann', { transport, token })
    const body = { channel, isTyping: true, position: 1, name: 'wave', payload: 1 }
    for (const event of ['typing', 'cursor', 'signal']) {
      expect(await expectRefusal(ann, event, body)).toMatchObject({ code: 'not_joined' })
    }
    await join(ann, channel)
    for (const event of ['typing', 'cursor', 'signal']) await expectReply(ann, event, body)
  })

  test('[REQ1] what is too large, missing or of another kind is refused by its name', async () => {
    const server = await startServer()
    const { ann, ben } = await people(server, transport)
    const wrong: [event: string, body: Record<string, unknown>, path: string][] = [
      ['typing', {}, 'isTyping'],
      ['typing', { isTyping: 'yes' }, 'isTyping'],
      ['typing', { isTyping: true, context: 'x'.repeat(257) }, 'context'],
      ['typing', { isTyping: true, timestamp: 'x'.repeat(65) }, 'timestamp'],
      ['cursor', {}, 'position'],
      ['cursor', { position: 'x'.repeat(1023) }, 'position'],
      ['cursor', { position: 'é'.repeat(512) }, 'position'],
      ['signal', { payload: 1 }, 'name'],
      ['signal', { name: '', payload: 1 }, 'name'],
      ['signal', { name: 'x'.repeat(65), payload: 1 }, 'name'],
      ['signal', { name: 'wave' }, 'payload'],
      ['signal', { name: 'wave', payload: 'x'.repeat(8191) }, 'payload'],
    ]
    for (const [event, body, path] of wrong) {
      const refused = await expectRefusal(ann, event, { channel, ...body })
      expect(refused, JSON.stringify(body).slice(0, 80)).toMatchObject({ code: 'invalid', details: [{ path }] })
    }
    await expectReply(ann, 'cursor', { channel, position: 'x'.repeat(1022) })
    await expectReply(ann, 'signal', { channel, name: 'x'.repeat(64), payload: 'x'.repeat(8190) })
    await expectEvent(ben, 'signal')
    await expectNothing(ben, 'typing')
  })

  test('[SIG1] typing stops by saying so, by leaving, by disconnecting and in another place of the channel', async () => {
    const server = await startServer()
    const { ann, ben, user } = await people(server, transport)
    const typing = (isTyping: boolean, context?: string) =>
      expectReply(ann, 'typing', { channel, isTyping, ...(context && { context }) })
    const stops = () => bodiesOf(ben, 'typing').filter(({ isTyping }) => isTyping === false)
    const stopped = async (n: number) => {
      await until(`ben was told ${n} times that ann stopped`, () => stops().length === n)
      return stops().at(-1)
    }
    await typing(true)
    await typing(false)
    expect(await stopped(1)).toEqual({ channel, user, isTyping: false })
    await typing(true, 'title')
    await typing(true, 'text')
    expect(await stopped(2)).toEqual({ channel, user, isTyping: false, context: 'title' })
    await expectReply(ann, 'channel:leave', { channel })
    expect(await stopped(3)).toEqual({ channel, user, isTyping: false, context: 'text' })
    await join(ann, channel)
    await typing(true)
    ann.socket.disconnect()
    expect(await stopped(4)).toEqual({ channel, user, isTyping: false })
  })

  test('[SIG1] somebody who types on in another tab has not stopped', async () => {
    const server = await startServer()
    const { ann, tab, ben } = await people(server, transport)
    for (const session of [ann, tab]) await expectReply(session, 'typing', { channel, isTyping: true })
    await until('both have been told of', () => bodiesOf(ben, 'typing').length === 2)
    ann.socket.disconnect()
    await expectEvent(tab, 'typing')
    await expectReply(tab, 'signal', { channel, name: 'after', payload: 0 })
    await expectEvent(ben, 'signal')
    expect(bodiesOf(ben, 'typing').map(({ isTyping }) => isTyping)).toEqual([true, true])
    await expectReply(tab, 'typing', { channel, isTyping: false })
    await expectEvent<{ isTyping: boolean }>(ben, 'typing', ({ isTyping }) => !isTyping)
  })

  test('[SIG2] of many cursors the newest arrives last, and facts among them all arrive, in order', async () => {
    const server = await startServer({ rateSignalsPerSecond: 100_000, rateFactsPerSecond: 100_000 })
    const { ann, ben } = await people(server, transport)
    const LAST = 600
    for (let n = 1; n <= LAST; n++) {
      ann.socket.emit('cursor', { channel, position: n })
      if (n % 10 === 0) ann.socket.emit('task:update', { channel, payload: { n } })
    }
    await expectEvent<{ position: number }>(ben, 'cursor', ({ position }) => position === LAST)
    await expectEvent<{ payload: { n: number } }>(ben, 'task:update', ({ payload }) => payload.n === LAST)
    const positions = bodiesOf<{ position: number }>(ben, 'cursor').map(({ position }) => position)
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    expect(new Set(positions).size).toBe(positions.length)
    const facts = bodiesOf<{ payload: { n: number } }>(ben, 'task:update').map(({ payload }) => payload.n)
    expect(facts).toEqual(Array.from({ length: LAST / 10 }, (_, i) => (i + 1) * 10))
  })
})

test('[SIG1] typing stops by itself when nothing more is said', async () => {
  const server = await startServer()
  const { ann, ben, user } = await people(server, 'websocket')
  await expectReply(ann, 'typing', { channel, isTyping: true })
  await expectEvent<{ isTyping: boolean }>(ben, 'typing', ({ isTyping }) => !isTyping)
  expect(bodiesOf(ben, 'typing')).toEqual([
    { channel, user, isTyping: true },
    { channel, user, isTyping: false },
  ])
  await expectNothing(ann, 'typing')
})

test('[SIG2] a session for which much waits is sent no signals, but every fact', async () => {
  const server = await startServer({ maxOutboundBytes: 67_108_864 })
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const slow = await RawClient.open(server)
  slow.send(`40${JSON.stringify({ token: tokenFor('slow') })}`)
  await slow.expect(/"connected"/)
  slow.send(`420["channel:join",{"channel":"${channel}"}]`)
  await slow.expect(/^430\[\{"ok":true/)
  slow.pause()
  // More than the kernel takes for a connection that does not read.
  const FACTS = 400
  const text = 'x'.repeat(60_000)
  for (let n = 1; n <= FACTS; n++) await server.server.publish(channel, { type: 'a:b', payload: { n, text } })
  for (let n = 1; n <= 50; n++) await expectReply(ann, 'cursor', { channel, position: `behind ${n}` })
  slow.resume()
  await slow.expect(new RegExp(`"n":${FACTS},`))
  await expectReply(ann, 'cursor', { channel, position: 'in time' })
  await slow.expect(/"in time"/)
  expect(slow.received.filter((packet) => packet.includes('"a:b"'))).toHaveLength(FACTS)
  expect(slow.received.filter((packet) => packet.includes('behind'))).toEqual([])
})

test('[SIG1] who stops typing without saying where has stopped where they typed', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  await expectReply(ann, 'typing', { channel, isTyping: true, context: 'title' })
  await expectReply(ann, 'typing', { channel, isTyping: false })
  await expectReply(ann, 'signal', { channel, name: 'end', payload: null })
  await expectEvent(ben, 'signal')
  const told = ben.received.filter(({ event }) => event === 'typing').map(({ body }) => body)
  expect(told).toContainEqual({ channel, user: { id: 'ann' }, isTyping: false, context: 'title' })
})
