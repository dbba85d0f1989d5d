import { describe, expect, test } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { Polling } from './polling.ts'
import { channel, connectPacket, Room } from './room.ts'

const BIG = 'x'.repeat(70_000)

/** Packets after which the connection is closed: no client sends them. */
const CLOSES: (string | Buffer)[] = [
  '41',
  '43',
  '431["x"]',
  '43900["late"]',
  '44{"message":"x"}',
  '451-["task:update",{"_placeholder":true,"num":0}]',
  '4510-["a"]',
  '4510000000000-["a"]',
  '461-1[{"_placeholder":true,"num":0}]',
  '40',
  '40{}',
  '40/admin,{}',
  connectPacket('mallory'),
  '41/admin,',
  '42/admin,["ping",{}]',
  '2',
  '2probe',
  'x',
  '4',
  '47',
  '4x',
  '42[]',
  '42{}',
  '42null',
  '42["ping"',
  '42[null]',
  '42[["ping"]]',
  '42[{"ping":1}]',
  '42["disconnect"]',
  '42["connect_error",{}]',
  '42["newListener",{}]',
  `42["disconnect","${BIG}"]`,
  `42["disconnecting","${BIG}"]`,
  `42["removeListener","${BIG}"]`,
  `42[{"x":"${BIG}"}]`,
  `42${'['.repeat(100_000)}`,
  `42["ping",${'{"a":'.repeat(40)}`.replace('"ping"', 'ping'),
  Buffer.from('2["ping",{}]'),
  Buffer.alloc(0),
]

/** Packets that are answered, or that mean nothing: the connection stays. */
const STAYS: string[] = [
  '42',
  '3',
  '5',
  '6',
  '3probe',
  '0{"sid":"x"}',
  '42["error",{"x":1}]',
  '42["__proto__",{}]',
  '42["constructor",{}]',
  '42[7,{}]',
  '42["",{}]',
  '42["task:update"]',
  '42["task:update",null,null,null]',
  `42${'9'.repeat(400)}["nothing",{}]`,
  '4299999999999999999999["task:update",{}]',
  `42["${'y'.repeat(60_000)}",{}]`,
  `42["task:update","${BIG}"]`,
  `42["task:update",${'['.repeat(100_000)}${']'.repeat(100_000)}]`,
  `42["task:update",{"channel":"${channel}","payload":${'{"a":'.repeat(100)}1${'}'.repeat(100)}}]`,
]

/** Whether something happens soon, and well. */
function within(happens: Promise<unknown>): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, 3000, false))
  const soon = happens.then(
    () => true,
    () => false,
  )
  return Promise.race([soon, late])
}

describe('A20 A35 [REQ4] packets that no proper client sends', () => {
  test('close the connection of whoever sends them, and are noticed by nobody else', async () => {
    const room = await Room.open()
    for (const [i, packet] of CLOSES.entries()) {
      const attacker = await room.attacker(`mallory-${i}`)
      attacker.send(packet)
      await room.publish()
      expect(await within(attacker.closed), packet.toString().slice(0, 60)).toBe(true)
    }
    await room.noticesNothing()
  })

  test('or are refused with a word, and the connection stays', async () => {
    const room = await Room.open()
    for (const packet of STAYS) {
      const attacker = await room.attacker()
      attacker.send(packet)
      attacker.send('42901["ping",{}]')
      expect(await within(attacker.expect(/^43901\[\{"ok":true/)), packet.slice(0, 60)).toBe(true)
      await room.publish()
      attacker.send('41')
      await attacker.closed
    }
    await room.noticesNothing()
  })

  test('before CONNECT they close the connection as well: nothing waits for an identity', async () => {
    const room = await Room.open({ CONNECT_TIMEOUT_MS: '500' })
    const early = [...CLOSES.filter((packet) => !/^40/.test(String(packet))), ...STAYS].map(async (packet) => {
      const attacker = await RawClient.open(room.server)
      attacker.send(packet)
      await attacker.closed
      expect(attacker.received.filter((text) => /^4[23]/.test(text))).toEqual([])
    })
    await Promise.all(early)
    await room.noticesNothing()
  })

  test('over polling: many in one body, bad UTF-8, too large, binary, two requests at once, other methods', async () => {
    const room = await Room.open()
    const { server } = room
    const bodies: [body: string | Uint8Array<ArrayBuffer>, status: number, stays: boolean, type?: string][] = [
      [Array(2000).fill('3').join('\x1e'), 200, true],
      [Array(300).fill('42["nope",{}]').join('\x1e'), 200, true],
      [Buffer.from([0x34, 0x32, 0x5b, 0x22, 0xff, 0xfe, 0xc3, 0x22, 0x5d]), 200, true],
      ['42["nope",{}]\x1e41\x1e42["nope",{}]', 200, false],
      [Array(1000).fill(connectPacket('mallory')).join('\x1e').slice(0, 200_000), 200, false],
      ['\x1e'.repeat(100_000), 400, false],
      ['bAAAA', 200, false],
      ['b', 200, false],
      ['x'.repeat(300_000), 413, true],
      ['4', 200, false],
      ['42["ping",{}]', 400, false, 'application/octet-stream'],
    ]
    for (const [i, [body, status, stays, type]] of bodies.entries()) {
      const polling = await Polling.member(server, `mallory-${i}`, channel)
      const answer = await polling.post(body, type).catch(() => 413)
      await room.publish()
      if (stays) {
        expect([answer, i]).toEqual([status, i])
        await polling.post('42901["ping",{}]')
        await polling.expect(/^43901\[\{"ok":true/)
        await polling.post('41')
      } else {
        // What was on its way is still given; then the session is gone.
        let last = 200
        for (let polls = 0; polls < 5 && last === 200; polls++) last = (await fetch(polling.url)).status
        expect(last, String(body).slice(0, 60)).toBe(400)
      }
    }
    const twice = await Polling.member(server, 'twice', channel)
    await twice.overlap()
    for (const method of ['PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS']) {
      const polling = await Polling.member(server, `mallory-${method}`, channel)
      const { status } = await fetch(polling.url, { method })
      expect(status, method).toBeGreaterThanOrEqual(200)
      expect(status, method).toBeLessThan(501)
      await polling.post('41')
    }
    for (const sid of ['__proto__', 'constructor', 'toString', '../x', '%00', 'x'.repeat(5000)]) {
      const response = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`)
      expect(await response.json(), sid).toMatchObject({ code: 1 })
    }
    for (const query of ['EIO=3&transport=polling', 'EIO=4&transport=__proto__', 'transport=polling', '']) {
      expect((await fetch(`${server.url}/socket.io/?${query}`)).status, query).toBe(400)
    }
    await room.noticesNothing()
  })
})
