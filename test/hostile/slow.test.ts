import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectEvent, expectReply, factsOf, join, TRANSPORTS } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer } from '../support/start-server.ts'
import { Polling } from './polling.ts'
import { channel, connectPacket, Room } from './room.ts'

/** More than a kernel takes for a connection that does not read, in facts of 4 kB. */
const FACTS = 3000
const text = 'x'.repeat(4000)

/** Heartbeats so slow that they cut nobody within the test: what cuts is the bound. */
const env = { PING_INTERVAL_MS: '60000', PING_TIMEOUT_MS: '60000' }

/** Who does not read, each in its own way. */
const DEAF: [what: string, open: (room: Room) => Promise<unknown>][] = [
  ['a WebSocket that does not read', async (room) => (await room.attacker()).pause()],
  [
    'a WebSocket that does not read, and sends pongs nobody asked for',
    async (room) => {
      const deaf = await room.attacker()
      deaf.pause()
      const pongs = setInterval(() => deaf.send('3'), 20)
      cleanup(() => clearInterval(pongs))
    },
  ],
  [
    'a WebSocket that does not read, and goes on asking',
    async (room) => {
      const deaf = await room.attacker()
      deaf.pause()
      const asks = setInterval(() => deaf.send('42901["ping",{}]'), 20)
      cleanup(() => clearInterval(asks))
    },
  ],
  ['polling that never polls again', async (room) => Polling.member(room.server, 'mallory', channel)],
  [
    'polling that never polls again, and posts pongs',
    async (room) => {
      const deaf = await Polling.member(room.server, 'mallory', channel)
      const pongs = setInterval(() => void deaf.post('3').catch(() => {}), 20)
      cleanup(() => clearInterval(pongs))
    },
  ],
]

describe('A22 [LIFE4] who does not read is cut by what waits for it, and nobody else notices', () => {
  test.each(DEAF)('%s', async (_what, open) => {
    const room = await Room.open(env)
    await open(room)
    expect((await room.health()).connections).toBe(3)
    let published = 0
    while ((await room.health()).connections === 3 && published < FACTS) {
      published += 20
      await room.publish(20, { text })
    }
    // Not before the bound: 200 bytes around each text, and the kernel's own buffers come on top of it.
    expect(published * (text.length + 300)).toBeGreaterThan(1_048_576)
    await room.onlyHonestLeft()
    await room.noticesNothing()
    expect(room.server.output().match(/a session that does not read was cut/g)).toHaveLength(1)
  })
})

test('A22 [LIFE4] one that reads slowly, but reads, is not cut, and misses nothing', async () => {
  const server = await startServer()
  const slow = await RawClient.open(server)
  slow.send(connectPacket('slow'))
  await slow.expect(/"connected"/)
  slow.send(`420["channel:join",{"channel":"${channel}"}]`)
  await slow.expect(/^430\[\{"ok":true/)
  const large = 'x'.repeat(60_000)
  for (let round = 1; round <= 8; round++) {
    slow.pause()
    // 900 kB in one turn.
    const facts = Array.from({ length: 15 }, () =>
      server.server.publish(channel, { type: 'a:b', payload: { text: large } }),
    )
    await Promise.all(facts)
    slow.resume()
    await slow.expect(new RegExp(`^42\\["a:b".*"seq":${round * 15},`))
  }
  const seqs = slow.received.flatMap((packet) => /^42\["a:b".*"seq":(\d+),/.exec(packet)?.[1] ?? []).map(Number)
  expect(seqs).toEqual(Array.from({ length: 120 }, (_, n) => n + 1))
})

describe.each(TRANSPORTS)('A22 [LIFE4] over %s', (transport) => {
  test('large facts of one editor cut nobody who asks for the last of them, or for a page of history', async () => {
    const server = await startServer()
    for (let i = 1; i <= 60; i++) {
      await server.server.publish(channel, { type: 'a:b', payload: { text: 'x'.repeat(60_000) } })
    }
    const ann = await connect(server, 'ann', { transport })
    const { events, head } = await join(ann, channel, { last: 60 })
    expect(head).toBe(60)
    expect(events.map(({ seq }) => seq)).toEqual([53, 54, 55, 56, 57, 58, 59, 60])
    const page = async (stretch: object) => {
      const reply = await expectReply<{ events: Envelope[] }>(ann, 'channel:history', { channel, ...stretch })
      return reply.events.map(({ seq }) => seq)
    }
    const seqs: number[] = []
    while ((seqs.at(-1) ?? 0) < 60) seqs.push(...(await page({ after: seqs.at(-1) ?? 0, limit: 300 })))
    expect(seqs).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    expect(await page({ before: 11 })).toEqual([3, 4, 5, 6, 7, 8, 9, 10])
    await server.server.publish(channel, { type: 'a:b', payload: {} })
    await expectEvent(ann, 'a:b', ({ seq }) => seq === 61)
    expect(factsOf(ann, channel)).toHaveLength(1)
  })

  // Each time the rejoin comes a turn later: before there is too much, between that and the cut, and after it.
  test.each([0, 1, 2, 3, 4])('[JOIN5] a rejoin while too much waits skips nothing (%d turns after)', async (turns) => {
    const server = await startServer({ maxOutboundBytes: 131_072 })
    const publish = (to: string, count: number, payload: Record<string, unknown> = {}) =>
      Promise.all(Array.from({ length: count }, () => server.server.publish(to, { type: 'a:b', payload })))
    const ann = await connect(server, 'ann', { transport })
    await join(ann, 'project:flooded')
    const { epoch } = await join(ann, channel)
    const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
    let told = 0
    const flood = publish('project:flooded', 40, { text })
    for (let i = 0; i < turns; i++) await turn()
    const facts = publish(channel, 3)
    ann.socket.emit('channel:join', { channel }, (reply: { ok: boolean; head: number }) => {
      if (reply.ok) told = reply.head
    })
    await Promise.all([flood, facts, gone])
    const seen = factsOf(ann, channel).map(({ seq }) => seq)
    const back = await connect(server, 'ann', { transport })
    const position = { epoch, seq: Math.max(told, ...seen) }
    const { recovered, events } = await join(back, channel, { since: position })
    expect(recovered).toBe(true)
    expect([...seen, ...events.map(({ seq }) => seq)]).toEqual([1, 2, 3])
  })
})
