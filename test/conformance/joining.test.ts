import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import {
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'project:p1'

async function publish(server: TestServer, count: number, payload: Record<string, unknown> = {}): Promise<void> {
  for (let i = 0; i < count; i++)
    await server.server.publish(channel, { type: 'task:update', payload: { i, ...payload } })
}

function seqs(facts: readonly Envelope[]): number[] {
  return facts.map(({ seq }) => seq)
}

describe.each(TRANSPORTS)('joining over %s', (transport) => {
  test('[JOIN1] the reply tells where the log stands, the role, and who is here', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    expect(await join(ann, channel, { state: { mood: 'good' } })).toEqual({
      ok: true,
      channel,
      epoch: expect.stringMatching(/^[0-9a-f]{16}$/),
      head: 0,
      role: 'editor',
      recovered: false,
      events: [],
      presence: {
        members: [{ user: { id: 'ann' }, connections: 1, state: { mood: 'good' }, joinedAt: expect.any(Number) }],
        connections: 1,
      },
      unread: 0,
    })
  })

  test('[JOIN2] without since: none of the log, or its last facts when asked', async () => {
    const server = await startServer()
    await publish(server, 5)
    const ann = await connect(server, 'ann', { transport })
    expect(await join(ann, channel)).toMatchObject({ recovered: false, head: 5, events: [] })
    const { events, recovered, reason } = await join(ann, channel, { last: 3 })
    expect({ recovered, reason, seqs: seqs(events) }).toEqual({ recovered: false, reason: undefined, seqs: [3, 4, 5] })
    expect(seqs((await join(ann, channel, { last: 300 })).events)).toEqual([1, 2, 3, 4, 5])
    expect((await join(ann, channel, { last: 0 })).events).toEqual([])
  })

  test('[JOIN3] with since: every fact after it, oldest first; also from 0 on a channel where nothing had happened', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    await expectReply(ann, 'channel:leave', { channel })
    await publish(server, 7)
    const all = await join(ann, channel, { since: { epoch, seq: 0 } })
    expect(all).toMatchObject({ recovered: true, head: 7, epoch })
    expect(seqs(all.events)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(all.events[0]).toEqual({
      type: 'task:update',
      channel,
      epoch,
      seq: 1,
      operationId: expect.any(String),
      user: null,
      payload: { i: 0 },
      timestamp: expect.any(Number),
    })
    expect(seqs((await join(ann, channel, { since: { epoch, seq: 5 } })).events)).toEqual([6, 7])
    expect(await join(ann, channel, { since: { epoch, seq: 7 } })).toMatchObject({ recovered: true, events: [] })
  })

  test('[JOIN4] what cannot be told whole is not told at all, with the reason', async () => {
    const server = await startServer({ maxCatchUp: 10, eventsKept: 12, eventsKeptDays: 0 })
    const ann = await connect(server, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    await publish(server, 11)
    const since = (seq: number, of = epoch) => join(ann, channel, { since: { epoch: of, seq } })
    expect(await since(0, 'another')).toMatchObject({ recovered: false, reason: 'epoch_changed', events: [], head: 11 })
    expect(await since(12)).toMatchObject({ recovered: false, reason: 'ahead', events: [] })
    expect(await since(0)).toMatchObject({ recovered: false, reason: 'too_many', events: [] })
    expect(seqs((await since(1)).events)).toHaveLength(10)
  })

  test('[JOIN4] over 512 KiB is too_many as well', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    await expectReply(ann, 'channel:leave', { channel })
    await publish(server, 10, { text: 'x'.repeat(60_000) })
    expect(await join(ann, channel, { since: { epoch, seq: 0 } })).toMatchObject({
      recovered: false,
      reason: 'too_many',
      events: [],
    })
    expect((await join(ann, channel, { since: { epoch, seq: 2 } })).events).toHaveLength(8)
  })

  test('[JOIN4] [SEQ6] what was trimmed is expired; whoever missed only what is still held is told all of it', async () => {
    const { url: databaseUrl } = await createDatabase()
    const options = { databaseUrl, eventsKept: 5, eventsKeptDays: 0 }
    const before = await startServer(options)
    await publish(before, 20)
    await before.close()
    // It trims when it starts.
    const server = await startServer(options)
    const ann = await connect(server, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    const floor = async () =>
      (await expectReply<{ floor: number }>(ann, 'channel:history', { channel, limit: 1 })).floor
    await expect.poll(floor, { timeout: 20_000 }).toBe(16)
    for (const seq of [0, 14]) {
      const reply = await join(ann, channel, { since: { epoch, seq } })
      expect(reply).toMatchObject({ recovered: false, reason: 'expired', events: [], head: 20, epoch })
    }
    const { recovered, reason, events } = await join(ann, channel, { since: { epoch, seq: 15 } })
    expect({ recovered, reason, seqs: seqs(events) }).toEqual({ recovered: true, seqs: [16, 17, 18, 19, 20] })
  })

  test('[JOIN5] no gap and no repeat between reply and stream, whatever is published meanwhile', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    let seq = 0
    let publishing = true
    const publisher = (async () => {
      while (publishing) await publish(server, 1)
    })()
    for (let round = 0; round < 30; round++) {
      await expectReply(ann, 'channel:leave', { channel })
      ann.received.length = 0
      const reply = await join(ann, channel, { since: { epoch, seq } })
      // One more, published after the reply, must come by the stream.
      const last = await server.server.publish(channel, { type: 'task:move', payload: {} })
      await expectEvent(ann, 'task:move', (fact) => fact.seq === last.seq)
      const seen = [...seqs(reply.events), ...seqs(factsOf(ann, channel))]
      expect(seen).toEqual(Array.from(seen, (_, i) => seq + 1 + i))
      expect(seqs(reply.events).at(-1) ?? seq).toBe(reply.head)
      seq = seen.at(-1) ?? seq
    }
    publishing = false
    await publisher
  })

  test('[JOIN6] joining again answers like the first time, announces nobody, and loses and repeats nothing', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const ben = await connect(server, 'ben', { transport })
    await join(ben, channel)
    const first = await join(ann, channel)
    await expectEvent(ben, 'presence:join')
    let publishing = true
    const publisher = (async () => {
      while (publishing) await publish(server, 1)
    })()
    for (let i = 0; i < 20; i++) {
      const again = await join(ann, channel)
      expect(again).toMatchObject({ epoch: first.epoch, role: first.role, recovered: false, events: [] })
      expect(again.presence.members.find(({ user }) => user.id === 'ann')).toMatchObject({ connections: 1 })
      // Whoever joined before is still owed each fact once, and the reply's head is where its stream stands.
      expect(seqs(factsOf(ann, channel)).filter((seq) => seq <= again.head)).toHaveLength(again.head)
    }
    publishing = false
    await publisher
    const last = await server.server.publish(channel, { type: 'task:move', payload: {} })
    await expectEvent(ann, 'task:move')
    expect(seqs(factsOf(ann, channel))).toEqual(Array.from({ length: last.seq }, (_, i) => i + 1))
    expect(ben.received.filter(({ event }) => event === 'presence:join')).toHaveLength(1)
  })

  test('[JOIN7] leaving stops delivery, and so does disconnecting', async () => {
    const server = await startServer()
    const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
    await join(ann, channel)
    await join(ben, channel)
    await expectReply(ann, 'channel:leave', { channel })
    expect(await expectEvent(ben, 'presence:leave')).toEqual({ channel, userId: 'ann' })
    await publish(server, 1)
    await expectEvent(ben, 'task:update')
    await expectNothing(ann, 'task:update')
    ben.socket.disconnect()
    for (const { url } of server.nodes) {
      await expect.poll(async () => (await (await fetch(`${url}/health`)).json()).rooms).toBeLessThanOrEqual(1)
    }
  })

  test('[JOIN7] a session that loses its right gets channel:left, and nothing more', async () => {
    const server = await startServer({ access: 'claims' })
    const token = (channels: unknown) => tokenFor('ann', { channels })
    const ann = await connect(server, 'ann', {
      transport,
      token: token({ [channel]: 'editor', 'project:p2': 'viewer' }),
    })
    await join(ann, channel)
    await join(ann, 'project:p2')
    await expectReply(ann, 'auth:refresh', { token: token({ 'project:p2': 'editor' }) })
    expect(await expectEvent(ann, 'channel:left')).toEqual({ channel, reason: 'forbidden' })
    await publish(server, 1)
    expect(await expectRefusal(ann, 'task:update', { channel, payload: {} })).toMatchObject({ code: 'not_joined' })
    expect(await expectRefusal(ann, 'channel:join', { channel })).toMatchObject({ code: 'forbidden' })
    // The other channel is kept, with the new role.
    await expectReply(ann, 'task:update', { channel: 'project:p2', payload: {} })
    await expectNothing(ann, 'task:update')
  })

  test('[PRE1] [PRE2] [PRE5] presence is one entry a user, told with the first session and the last, and the same by request', async () => {
    const server = await startServer()
    const ben = await connect(server, 'ben', { transport })
    await join(ben, channel)
    const [one, two] = [await connect(server, 'ann', { transport }), await connect(server, 'ann', { transport })]
    await join(one, channel, { state: { n: 1 } })
    expect(await expectEvent(ben, 'presence:join')).toMatchObject({
      channel,
      member: { user: { id: 'ann' }, connections: 1, state: { n: 1 } },
    })
    const { presence } = await join(two, channel)
    expect(presence.connections).toBe(3)
    expect(presence.members.map(({ user, connections }) => [user.id, connections])).toEqual([
      ['ben', 1],
      ['ann', 2],
    ])
    for (const session of [ben, one, two]) {
      expect(await expectReply(session, 'presence:list', { channel })).toEqual({ ok: true, ...presence })
    }
    await expectReply(two, 'presence:update', { channel, state: { n: 2 } })
    expect(await expectEvent(ben, 'presence:update')).toEqual({ channel, userId: 'ann', state: { n: 2 } })
    expect(await expectRefusal(two, 'presence:update', { channel, state: { big: 'x'.repeat(4096) } })).toMatchObject({
      code: 'invalid',
    })
    await expectReply(one, 'channel:leave', { channel })
    await expectNothing(ben, 'presence:leave')
    await expectReply(two, 'channel:leave', { channel })
    expect(await expectEvent(ben, 'presence:leave')).toEqual({ channel, userId: 'ann' })
    expect(ben.received.filter(({ event }) => event === 'presence:join')).toHaveLength(1)
  })

  test('a session may join so many channels, joins under way included', async () => {
    const server = await startServer({ maxChannels: 3 })
    const ann = await connect(server, 'ann', { transport })
    const asked = Array.from({ length: 8 }, (_, i) =>
      ann.socket.emitWithAck('channel:join', { channel: `project:p${i}` }),
    )
    const replies = (await Promise.all(asked)) as { ok: boolean; error?: { code: string } }[]
    expect(replies.filter(({ ok }) => ok)).toHaveLength(3)
    expect(replies.at(-1)?.error).toMatchObject({ code: 'too_many', retryable: true })
    await expectReply(ann, 'channel:leave', { channel: 'project:p0' })
    await join(ann, 'project:p9')
    await join(ann, 'project:p9')
  })
})
