import { type Socket, connect as tcp } from 'node:net'
import { describe, expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { ask, connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'
import { Polling } from './polling.ts'
import { channel, connectPacket, Room } from './room.ts'

/** A masked text frame, as a client sends it. */
function frame(text: string): Buffer {
  const body = Buffer.from(text)
  const head = body.length < 126 ? [0x81, 0x80 | body.length] : [0x81, 0xfe, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from(head), Buffer.alloc(4), body])
}

/** A WebSocket of bare frames, which can be sent thousands at once. */
function bareSocket(port: number): { socket: Socket; text: () => string } {
  const socket = tcp(port, '127.0.0.1')
  cleanup(() => socket.destroy())
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  socket.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  return { socket, text: () => text }
}

describe('A17 A34 [REQ4] a flood of requests beyond the rate', () => {
  test.each([
    '42["nope",{}]',
    '42["ping"]',
    '421["ping",{}]',
    `42["task:update",{"channel":"${channel}","payload":"none"}]`,
    `42["channel:join",{"channel":"${channel}"}]`,
  ])('of %s over a WebSocket ends the flooder, and nobody else notices', async (packet) => {
    const room = await Room.open({ RATE_FACTS_PER_SECOND: '50' })
    const flooder = bareSocket(room.server.port)
    await until('it is open', () => flooder.text().includes('"sid"'))
    flooder.socket.write(frame(connectPacket('mallory')))
    await until('it is connected', () => flooder.text().includes('"connected"'))
    flooder.socket.write(Buffer.concat(Array(20_000).fill(frame(packet))))
    await room.publish(5)
    await room.noticesNothing()
    expect(flooder.text()).toContain('"rate_limited"')
  })

  test('in one POST ends the flooder too', async () => {
    const room = await Room.open({ RATE_FACTS_PER_SECOND: '50' })
    const flooder = await Polling.member(room.server, 'mallory', channel)
    await flooder.post(Array(4000).fill('42["nope",{}]').join('\x1e'))
    await room.publish(5)
    let last = 200
    for (let polls = 0; polls < 10 && last === 200; polls++) last = (await fetch(flooder.url)).status
    expect(last).toBe(400)
    await room.noticesNothing()
  })

  test('a client ten times over its rate is refused what is too much, and stays', async () => {
    const server = await startServer()
    const eager = await connect(server, 'eager')
    await join(eager, channel)
    const replies = await Promise.all(
      Array.from({ length: 1000 }, () => ask(eager, 'task:update', { channel, payload: {} })),
    )
    expect(replies.filter(({ ok }) => ok).length).toBeGreaterThanOrEqual(99)
    expect(replies.filter(({ ok }) => !ok).length).toBeGreaterThan(800)
    await expectReply(eager, 'ping', {})
  })
})

test('A18 thousands of distinct channels asked for, left, and asked about leave nothing behind', async () => {
  const room = await Room.open({ MAX_CHANNELS: '100' })
  const mallory = await connect(room.server, 'mallory')
  for (let batch = 0; batch < 50; batch++) {
    const names = Array.from({ length: 40 }, (_, i) => `room:r${batch}-${i}`)
    const answers = await Promise.all(
      names.flatMap((name) => [
        ask(mallory, 'channel:join', { channel: name }),
        ask(mallory, 'presence:update', { channel: name, state: { x: 1 } }),
        ask(mallory, 'channel:leave', { channel: name }),
        ask(mallory, 'channel:leave', { channel: name }),
        ask(mallory, 'channel:history', { channel: name }),
        ask(mallory, 'channel:join', { channel: `user:x${name.slice(5)}` }),
      ]),
    )
    expect(answers.filter(({ ok }) => ok)).toHaveLength(120)
    expect(await room.health()).toMatchObject({ connections: 3, rooms: 4 })
  }
  mallory.socket.disconnect()
  await room.noticesNothing()
})
