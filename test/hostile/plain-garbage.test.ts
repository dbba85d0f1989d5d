import { connect as tcp } from 'node:net'
import { describe, expect, test } from 'vitest'
import { BOARD_WORDS } from '../support/board.ts'
import { cleanup } from '../support/cleanup.ts'
import { as, openPlain } from '../support/plain.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { BarePlain, frame } from './bare-plain.ts'
import { connectPacket, Room } from './room.ts'

const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const

/** What each family is told of something it should not have said. */
const SIGN = { '/ws': '"ERROR"', '/api/community/ws': '"error"', '/api/realtime': '"NACK"', '/realtime': '"NACK"' }

// A heap in which nothing of what is sent here could be kept.
const env = { NODE_OPTIONS: '--max-old-space-size=128', LOG_LEVEL: 'trace' }

const deep = (levels: number, [open, close] = ['[', ']']) => open.repeat(levels) + close.repeat(levels)

/** Texts that are no frame of anybody’s. */
const TEXTS: readonly string[] = [
  '',
  '{',
  'null',
  'true',
  '0',
  '-1e999',
  '"text"',
  '[]',
  '[[]]',
  '[null]',
  '{}',
  '{"type":null}',
  '{"type":{}}',
  '{"type":[]}',
  '{"type":7,"payload":7}',
  '{"type":"__proto__","payload":{}}',
  '{"type":"constructor","payload":{"constructor":{"prototype":{"x":1}}}}',
  '{"__proto__":{"type":"JOIN_PROJECT","projectId":"p1"}}',
  '{"type":"toString"}',
  `{"type":"${'X'.repeat(60_000)}"}`,
  `{"type":"${'A_'.repeat(20_000)}"}`,
  '\ufeff{}',
  '\u0000',
  `{"type":"TASK_UPDATE","projectId":"p1","payload":${deep(60, ['{"a":', '}']).replace('}', '1}')}}`,
  deep(30_000),
  deep(10_000, ['{"a":', '1}']),
  `{"a":"${'\\u0000'.repeat(8000)}"}`,
  '{"type":"JOIN_PROJECT"}',
  ...['null', '[]', '{}', '7', '""', 'true', '"__proto__"', '"p1\\u0000"', `"${'p'.repeat(60_000)}"`, '"../x"'].flatMap(
    (value) => [
      `{"type":"JOIN_PROJECT","projectId":${value},"userId":${value},"since":${value}}`,
      `{"type":"LEAVE_PROJECT","projectId":${value}}`,
      `{"type":"TASK_UPDATE","projectId":${value},"payload":${value},"operationId":${value}}`,
      `{"type":"SET_USER","payload":{"userId":${value},"userInfo":${value}},"userId":${value}}`,
      `{"type":"SUBSCRIBE","payload":{"roomId":${value},"groupId":${value},"since":${value}}}`,
      `{"type":"UNSUBSCRIBE","payload":${value}}`,
      `{"type":"TYPING","payload":{"roomId":${value},"isTyping":${value},"userName":${value}}}`,
      `{"type":"DM_TYPING","payload":{"targetUserId":${value},"isTyping":${value},"userName":${value}}}`,
      `{"type":"WIDGET_UPDATE","userId":${value},"id":${value},"payload":${value},"data":${value}}`,
      `{"type":"WIDGET_UPDATE","userId":"u","payload":{"widgetId":${value},"data":${value}}}`,
      `{"type":"WIDGET_BATCH","userId":"u","payload":{"operations":${value}}}`,
      `{"type":"LAYOUT_UPDATE","userId":"u","payload":{"layout":${value}},"timestamp":${value}}`,
      `{"type":"CONFLICT_RESOLVED","userId":"u","payload":${value},"correlationId":${value}}`,
      `{"type":"SYNC_UPDATE","userId":"u","payload":${value}}`,
    ],
  ),
]

const FLOODS: readonly Buffer[] = [
  frame('ping', 'x'.repeat(100)),
  frame('pong'),
  frame('text', '{'),
  frame('text', '{"type":"NOBODY_KNOWS_THIS","userId":"u"}'),
  frame('text', '{"type":"PING","userId":"u","payload":{}}'),
  frame('text', '{"type":"JOIN_PROJECT","projectId":"p1"}'),
  frame('text', '{"type":"TASK_UPDATE","projectId":"nowhere","payload":{}}'),
]

// The last two are one door.
describe.each(DOORS.slice(0, 3))('[REQ4] garbage on %s harms nobody', (path) => {
  test('texts that are no frames, as text and as binary: the connection stays and is served', async () => {
    const room = await Room.open({ ...env, RATE_SIGNALS_PER_SECOND: '100000' })
    const mallory = await openPlain(room.server, path + as('mallory'))
    const texts = TEXTS.filter((text) => text.length <= 65_536)
    for (const text of texts) mallory.ws.send(text)
    for (const text of texts) mallory.ws.send(Buffer.from(text))
    mallory.ws.send(Buffer.from([0xff, 0xfe, 0x00, 0xc3]))
    // What comes after it is served.
    const pong = new Promise((resolve) => mallory.ws.once('pong', resolve))
    mallory.ws.ping()
    await pong
    expect(mallory.ws.readyState).toBe(mallory.ws.OPEN)
    expect(JSON.stringify(mallory.received)).toContain(SIGN[path])
    mallory.ws.close()
    // Some of it is proper for one family.
    const foreign = await foreignFacts(room)
    await room.noticesNothing(foreign)
  })

  test('too large is told, far too large ends the connection with 1009, wrong UTF-8 with 1007, no frame with 1002', async () => {
    const room = await Room.open(env)
    const mallory = await openPlain(room.server, path + as('mallory'))
    mallory.ws.send(JSON.stringify({ type: 'TASK_UPDATE', projectId: 'p1', payload: 'x'.repeat(70_000) }))
    await until('it is told', () => JSON.stringify(mallory.received).includes('at most 65536'))
    mallory.ws.send('x'.repeat(10_000_000))
    expect((await mallory.closed).code).toBe(1009)
    for (const [code, ...frames] of [
      [1007, frame('text', Buffer.from([0xff, 0xfe]))],
      [1002, Buffer.from([0x83, 0x80, 0, 0, 0, 0])],
      [1002, Buffer.from([0xc1, 0x80, 0, 0, 0, 0])],
      [1002, Buffer.from([0x81, 0x02, 0x7b, 0x7d])],
      [1002, frame('continuation', 'x')],
      [1002, frame('ping', 'x'.repeat(126))],
      [1009, Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
      [1002, Buffer.from([0x88, 0x81, 0, 0, 0, 0, 0x03])],
      [1008, ...Array.from({ length: 65 }, () => frame('text', 'x', false)).map((one, n) => (n ? asNext(one) : one))],
    ] as const) {
      const client = await BarePlain.open(room.server.port, path + as('mallory'))
      client.send(...frames)
      await until(`it is closed with ${code}`, () => client.closeCode === code)
      client.socket.destroy()
    }
    await room.noticesNothing()
  })

  test('messages in thousands of pieces, begun and never ended, half frames: nothing is kept', async () => {
    const room = await Room.open(env)
    const clients = []
    for (let n = 0; n < 50; n++) {
      const client = await BarePlain.open(room.server.port, path + as(`m${n % 10}`))
      // The most that one is let keep: not ended, each of it just not too large.
      client.send(frame('text', 'x'.repeat(4000), false))
      for (let piece = 0; piece < 60; piece++) client.send(asNext(frame('text', 'x'.repeat(4000), false)))
      client.socket.write(Buffer.from([0x80, 0xfe, 0x0f]))
      clients.push(client)
    }
    await room.publish(5)
    for (const { socket } of clients) socket.destroy()
    await room.noticesNothing()
  })

  test('a flood of anything ends the flooder, as too fast', async () => {
    const room = await Room.open({ ...env, RATE_FACTS_PER_SECOND: '50' })
    for (const one of FLOODS) {
      const flooder = await BarePlain.open(room.server.port, path + as('flooder'))
      const batch = Buffer.concat(Array(4000).fill(one))
      const flood = setInterval(() => flooder.socket.writable && flooder.socket.write(batch), 20)
      cleanup(() => clearInterval(flood))
      const code = path.endsWith('/realtime') ? 1008 : 4008
      await until(`${String(one).slice(6)} has ended it`, () => flooder.closeCode === code)
      clearInterval(flood)
      await room.publish(5)
      flooder.socket.destroy()
    }
    await room.noticesNothing()
  })
})

/** A frame that goes on with the message before. */
function asNext(one: Buffer): Buffer {
  const next = Buffer.from(one)
  next[0] = (next[0] as number) & 0xf0
  return next
}

/** How many of a room’s facts the honest people did not publish. */
async function foreignFacts(room: Room): Promise<number> {
  const response = await fetch(`${room.server.url}/api/v1/channels/project:p1/events?limit=300`)
  return ((await response.json()) as { events: unknown[] }).events.length
}

test('[REQ4] handshakes that are begun and left, or come with nothing behind, leave nothing', async () => {
  const room = await Room.open({ ...env, CONNECT_TIMEOUT_MS: '500' })
  const sockets = []
  for (let n = 0; n < 200; n++) {
    const path = DOORS[n % DOORS.length] as string
    const socket = tcp(room.server.port, '127.0.0.1')
    cleanup(() => socket.destroy())
    socket.on('error', () => {})
    const head = `GET ${path}${as(`g${n}`)} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`
    socket.write(n % 3 ? head : head.slice(0, head.length - 1 - (n % 50)))
    if (n % 5 === 0) socket.end()
    if (n % 7 === 0) socket.destroy()
    sockets.push(socket)
  }
  await room.publish(5)
  for (const socket of sockets) socket.destroy()
  await room.noticesNothing()
})

test('[REQ4] thousands of frames behind one handshake, in one write', async () => {
  const room = await Room.open(env)
  for (const path of DOORS) {
    const client = new BarePlain(room.server.port, path + as('eager'))
    client.send(
      ...Array.from({ length: 5000 }, (_, n) => frame('text', n % 2 ? '{"type":"PING","userId":"u"}' : 'garbage')),
    )
    await client.sees('101 ')
    await until('it is heard, or sent away', () => client.text.includes(SIGN[path]) || client.closeCode !== undefined)
    client.socket.destroy()
  }
  await room.noticesNothing()
})

test('[REQ4] [D8] garbage of a client of the board, over Socket.IO', async () => {
  const room = await Room.open({ ...env, RATE_SIGNALS_PER_SECOND: '100000' })
  const EVENTS = [...BOARD_WORDS, 'spreadsheet:cell-update', 'ping', 'error', '__proto__', 'toString', '']
  const BODIES = [
    '',
    'null',
    'true',
    '7',
    '""',
    '[]',
    '{}',
    '"\\u0000"',
    `"${'p'.repeat(60_000)}"`,
    '"__proto__"',
    '{"projectId":null}',
    '{"projectId":{}}',
    '{"projectId":"p9"}',
    '{"projectId":"p1\\u0000","task":7}',
    '{"__proto__":{"projectId":"p9"}}',
    '{"projectId":"p9","task":null,"taskId":[],"status":{},"changes":7,"position":{"x":null},"fileId":{},"content":[],"context":{},"timestamp":{}}',
    `{"projectId":"p9","task":${deep(30)}}`,
    `{"projectId":"p9","task":${deep(60)}}`,
  ]
  const mallory = await RawClient.open(room.server)
  mallory.send(connectPacket('mallory'))
  await mallory.expect(/"connected"/)
  mallory.send('42["join-project","p9"]')
  await mallory.expect(/users:active/)
  for (const event of EVENTS)
    for (const body of BODIES)
      for (const id of ['', '7']) mallory.send(`42${id}[${JSON.stringify(event)}${body && `,${body}`}]`)
  // The last of them is served, and so is what comes after.
  mallory.send('42["join-project","p8"]')
  mallory.send('42["ping"]')
  await mallory.expect(/"pong"/)
  mallory.terminate()
  await room.noticesNothing()
})
