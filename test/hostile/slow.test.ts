import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectEvent, expectReply, factsOf, join, TRANSPORTS } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { Polling } from './polling.ts'
import { channel, Room } from './room.ts'

/** More than a kernel takes for a connection that does not read, in facts of 50 kB. */
const FACTS = 200
const text = 'x'.repeat(50_000)

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
      published += 5
      await room.publish(5, { text })
    }
    // Not before the bound: the kernel's own buffers come on top of it.
    expect(published * text.length).toBeGreaterThan(1_048_576)
    await room.onlyHonestLeft()
    await room.noticesNothing()
    expect(room.server.output().match(/a session that does not read was cut/g)).toHaveLength(1)
  })

  test('one that reads slowly but reads is not cut, and misses nothing', async () => {
    const room = await Room.open(env)
    const slow = await room.attacker('slow')
    for (let round = 0; round < 20; round++) {
      slow.pause()
      await room.publish(5, { text })
      slow.resume()
      await room.publish(1)
      await slow.expect(new RegExp(`^42\\["honest:fact".*"n":${round * 6 + 5}}`))
    }
    expect(slow.received.filter((packet) => packet.startsWith('42["honest:fact"'))).toHaveLength(120)
    slow.send('41')
    await slow.closed
    await room.noticesNothing()
  })
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
})
