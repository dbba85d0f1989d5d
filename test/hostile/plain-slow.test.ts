import { describe, expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { as, openPlain } from '../support/plain.ts'
import { startServer } from '../support/start-server.ts'
import { BarePlain, frame } from './bare-plain.ts'
import { channel, Room } from './room.ts'

/** More than a kernel takes for a connection that does not read, in facts of 4 kB. */
const FACTS = 3000
const text = 'x'.repeat(4000)

/** Heartbeats so slow that they cut nobody within the test: what cuts is the bound. */
const env = { PING_INTERVAL_MS: '60000', PING_TIMEOUT_MS: '60000' }

const join = { type: 'JOIN_PROJECT', projectId: 'p1' }

/** What a client does that does not read. */
const DEAF: [what: string, goesOn: (client: BarePlain) => void][] = [
  ['says nothing', () => {}],
  ['sends pongs nobody asked for', (client) => client.send(frame('pong'))],
  ['sends pings', (client) => client.send(frame('ping', 'x'.repeat(125)))],
  ['goes on asking', (client) => client.say(join)],
  ['sends garbage', (client) => client.send(frame('text', '{'))],
]

describe('A22 [LIFE4] a plain client that does not read is cut by what waits for it, and nobody else notices', () => {
  test.each(DEAF)('one that %s', async (_what, goesOn) => {
    const room = await Room.open(env)
    const deaf = await BarePlain.open(room.server.port, `/ws${as('deaf')}`)
    deaf.say(join)
    await deaf.sees('USER_PRESENCE')
    deaf.socket.pause()
    const timer = setInterval(() => goesOn(deaf), 20)
    cleanup(() => clearInterval(timer))
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

  test.each([
    ['/api/community/ws', 'room:r1', { type: 'SUBSCRIBE', payload: { roomId: 'r1', since: null } }, '"SUBSCRIBED"'],
    ['/api/realtime', 'dashboard:d1', undefined, '"CONNECT"'],
  ])('on %s as well, many of them at once', async (path, address, frameOfJoin, sign) => {
    const room = await Room.open({ ...env, NODE_OPTIONS: '--max-old-space-size=160' })
    const deaf = []
    for (let n = 0; n < 40; n++) {
      const client = await BarePlain.open(room.server.port, `${path}${as(`deaf${n}`)}&dashboardId=d1`)
      if (frameOfJoin) client.say(frameOfJoin)
      await client.sees(sign)
      client.socket.pause()
      deaf.push(client)
    }
    let published = 0
    while ((await room.health()).connections > 2 && published < FACTS) {
      published += 20
      const events = Array.from({ length: 20 }, () => ({ type: 'honest:fact', payload: { text } }))
      const response = await fetch(`${room.server.url}/api/v1/channels/${address}/events`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ events }),
      })
      expect(response.status).toBe(200)
    }
    await room.onlyHonestLeft()
    await room.noticesNothing()
    expect(room.server.output().match(/a session that does not read was cut/g)).toHaveLength(40)
  })
})

test('A22 [LIFE4] one that reads slowly, but reads, is not cut, and misses nothing', async () => {
  const server = await startServer()
  const slow = await openPlain(server, `/ws${as('slow')}`)
  slow.say(join)
  await slow.expect('USER_PRESENCE')
  const large = 'x'.repeat(60_000)
  for (let round = 1; round <= 8; round++) {
    slow.ws.pause()
    // 900 kB in one turn.
    const facts = Array.from({ length: 15 }, () =>
      server.server.publish(channel, { type: 'task:update', payload: { text: large } }),
    )
    await Promise.all(facts)
    slow.ws.resume()
    await slow.expect('TASK_UPDATE', ({ seq }) => seq === round * 15)
  }
  const seqs = slow.received.filter(({ type }) => type === 'TASK_UPDATE').map(({ seq }) => seq)
  expect(seqs).toEqual(Array.from({ length: 120 }, (_, n) => n + 1))
})

test('[LIFE4] large replies wait for each other: one that comes back to many channels with much to catch up is not cut', async () => {
  const server = await startServer({ maxOutboundBytes: 262_144 })
  const large = 'x'.repeat(30_000)
  const ann = await openPlain(server, `/ws${as('ann')}`)
  const positions = []
  for (let n = 0; n < 20; n++) {
    ann.say({ type: 'JOIN_PROJECT', projectId: `p${n}` })
    const { epoch, seq } = await ann.expect('USER_PRESENCE', ({ payload }) => payload?.projectId === `p${n}`)
    positions.push({ epoch, seq })
  }
  ann.ws.terminate()
  for (let n = 0; n < 20; n++) {
    for (let i = 0; i < 4; i++) {
      await server.server.publish(`project:p${n}`, { type: 'task:update', payload: { n, i, text: large } })
    }
  }
  const back = await openPlain(server, `/ws${as('ann')}`)
  for (const [n, since] of positions.entries()) back.say({ type: 'JOIN_PROJECT', projectId: `p${n}`, since })
  const updates = await back.expectCount(80, ({ type }) => type === 'TASK_UPDATE')
  expect(updates.map(({ payload }) => [payload?.n, payload?.i])).toEqual(
    Array.from({ length: 80 }, (_, k) => [Math.floor(k / 4), k % 4]),
  )
  expect(back.ws.readyState).toBe(back.ws.OPEN)
})
