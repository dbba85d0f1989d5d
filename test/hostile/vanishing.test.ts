import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { ask, clientOf, connect, expectReply, factsOf, join, TRANSPORTS } from '../support/connect.ts'
import { RawClient } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { Polling } from './polling.ts'
import { channel, connectPacket, countsOf, Room } from './room.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** All that a server in this process still holds of clients. */
async function held({ url, server }: TestServer): Promise<object> {
  const { connections, rooms } = await countsOf(url)
  const { sockets, adapter } = server.io.of('/')
  return {
    connections,
    rooms,
    engine: server.io.engine.clientsCount,
    sockets: sockets.size,
    joined: adapter.rooms.size,
  }
}

const NOTHING = { connections: 0, rooms: 0, engine: 0, sockets: 0, joined: 0 }

async function settled(server: TestServer): Promise<void> {
  for (let tries = 0; tries < 200 && JSON.stringify(await held(server)) !== JSON.stringify(NOTHING); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  expect(await held(server)).toEqual(NOTHING)
}

async function expectNothingHeld(server: TestServer): Promise<void> {
  await settled(server)
  // A newcomer finds nobody, once the grace of the last one lost is over [PRE3].
  const last = await connect(server, 'last')
  await join(last, channel)
  const list = () => expectReply(last, 'presence:list', { channel })
  const nobodyElse = { members: [{ user: { id: 'last' } }], connections: 1 }
  await expect.poll(list, { timeout: 20_000 }).toMatchObject(nobodyElse)
}

describe('A35 [JOIN7] whoever goes, at whatever moment, is gone', () => {
  test('in the middle of a first join, while the store is busy', async () => {
    const server = await startServer({ presenceGraceMs: 50 })
    let busy = true
    const publish = () => server.server.publish('project:other', { type: 'a:b', payload: {} })
    const traffic = (async () => {
      while (busy) await Promise.all([publish(), publish(), publish()])
    })()
    for (let i = 0; i < 60; i++) {
      const raw = await RawClient.open(server)
      raw.send(connectPacket(`ghost-${i}`))
      await raw.expect(i % 2 ? /"connected"/ : /^40/)
      raw.send(`420["channel:join",{"channel":"${channel}"}]`)
      for (let turns = 0; turns < i % 8; turns++) await turn()
      raw.send(i % 3 ? '41' : '43')
      await raw.closed
    }
    busy = false
    await traffic
    await expectNothingHeld(server)
  })

  test('in a rejoin, a leave, a refresh, a publish, over polling and WebSocket, by packet and by cut', async () => {
    const room = await Room.open()
    const token = tokenFor('ghost')
    const requests = [
      `420["channel:join",{"channel":"${channel}","echo":true}]`,
      `421["auth:refresh",{"token":"${token}"}]`,
      `422["task:update",{"channel":"${channel}","payload":{}}]`,
      `423["channel:leave",{"channel":"${channel}"}]`,
      `424["channel:join",{"channel":"${channel}","last":300}]`,
      `425["channel:history",{"channel":"${channel}"}]`,
    ]
    for (let i = 0; i < 36; i++) {
      const ghost = i % 2 ? await room.attacker('ghost') : await Polling.member(room.server, 'ghost', channel)
      const sent = requests.slice(0, 1 + (i % requests.length)).filter((packet) => !packet.startsWith('422'))
      if (ghost instanceof Polling) {
        await ghost.post([...sent, '41'].join('\x1e'))
      } else {
        for (const packet of sent) ghost.send(packet)
        for (let turns = 0; turns < i % 5; turns++) await turn()
        if (i % 3) ghost.send('41')
        else ghost.terminate()
        await ghost.closed
      }
    }
    await room.noticesNothing()
  })

  test('while its token is being verified: no session comes of it', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'RS256' }
    const answers: (() => void)[] = []
    const issuer = createServer((_request, response) => {
      answers.push(() => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] })))
    }).listen(0, '127.0.0.1')
    cleanup(() => issuer.close())
    await once(issuer, 'listening')
    const server = await startServer({
      presenceGraceMs: 50,
      jwksUrl: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`,
    })
    const token = await new SignJWT({})
      .setSubject('ghost')
      .setExpirationTime('1h')
      .setProtectedHeader({ alg: 'RS256', kid: 'k1' })
      .sign(privateKey)
    const packet = `40${JSON.stringify({ token })}`
    const ghosts = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(server)))
    for (const ghost of ghosts) ghost.send(packet)
    while (answers.length === 0) await turn()
    for (const [i, ghost] of ghosts.entries()) {
      if (i % 2) ghost.send('41')
      else ghost.terminate()
    }
    await Promise.all(ghosts.map(({ closed }) => closed))
    for (const answer of answers) answer()
    // The key is there by now: whoever comes next is let in.
    const next = await connect(server, '-', { token })
    expect(next.connected.userId).toBe('ghost')
    expect(await held(server)).toMatchObject({ connections: 1, engine: 1, sockets: 1 })
    next.socket.disconnect()
    await expectNothingHeld(server)
  })
})

describe.each(TRANSPORTS)('races over %s', (transport) => {
  test('A18 of 40 handshakes of one person at once just so many get in, and each that leaves makes room', async () => {
    const server = await startServer({ maxConnectionsPerUser: 5 })
    for (let round = 0; round < 3; round++) {
      const clients = Array.from({ length: 40 }, () => clientOf(server.url, { transport, token: tokenFor('ann') }))
      const outcomes = await Promise.all(
        clients.map((socket) => {
          const outcome = new Promise<string>((resolve) => {
            socket.once('connected', () => resolve('in'))
            socket.once('connect_error', ({ message }) => resolve(message))
          })
          socket.connect()
          return outcome
        }),
      )
      expect(outcomes.filter((outcome) => outcome === 'in')).toHaveLength(5)
      expect(outcomes.filter((outcome) => outcome === 'Too many connections')).toHaveLength(35)
      for (const socket of clients) socket.disconnect()
      await settled(server)
    }
  })

  test('A14 a join that is under way when a token with less right comes is judged by that token', async () => {
    const server = await startServer({ access: 'claims' })
    for (let round = 0; round < 5; round++) {
      const ann = await connect(server, '-', { transport, token: tokenFor('ann', { projects: ['p1'] }) })
      const refresh = { token: tokenFor('ann', { projects: [] }) }
      const [joined, refreshed] = await Promise.all([
        ask(ann, 'channel:join', { channel }),
        ask(ann, 'auth:refresh', refresh),
      ])
      expect(refreshed.ok).toBe(true)
      await server.server.publish(channel, { type: 'a:b', payload: {} })
      await expectReply(ann, 'ping', {})
      expect(factsOf(ann, channel)).toEqual([])
      expect(await ask(ann, 'task:update', { channel, payload: {} })).toMatchObject({ error: { code: 'not_joined' } })
      if (joined.ok) expect(ann.received.map(({ event }) => event)).toContain('channel:left')
      ann.socket.disconnect()
    }
    await settled(server)
  })
})
