import { describe, expect, test } from 'vitest'
import { ask, type Client, connect, expectReply, join } from '../support/connect.ts'
import { type ProcessServer, startProcess } from '../support/process-server.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Polling } from './polling.ts'
import { channel, connectPacket } from './room.ts'

const server = (env = {}) => startProcess(env, { folder: temporaryFolder() })
const text = (length: number) => 'x'.repeat(length)

/** A person who reads as fast as they can, and how they were lost if they were. */
async function reader(
  at: ProcessServer,
  transport: 'websocket' | 'polling',
): Promise<{ client: Client; lost: string[] }> {
  const client = await connect(at, `reader-${transport}`, { transport })
  const lost: string[] = []
  client.socket.on('disconnect', (reason) => lost.push(reason))
  await join(client, channel)
  return { client, lost }
}

/** Sessions of one person, each of which sends the same packets in one go. */
async function burst(at: ProcessServer, sessions: number, packets: () => string[]): Promise<void> {
  const raws: RawClient[] = []
  for (let i = 0; i < sessions; i++) {
    const raw = await RawClient.open(at)
    raw.send(connectPacket('mallory'))
    await raw.expect(/"connected"/)
    raw.send(`42900["channel:join",{"channel":"${channel}"}]`)
    await raw.expect(/^43900\[\{"ok":true/)
    raws.push(raw)
  }
  for (const raw of raws) for (const packet of packets()) raw.send(packet)
  // A fact, because its answer comes behind all of it. The own sessions of an attacker may be cut.
  for (const raw of raws) raw.send(`42999["task:update",{"channel":"${channel}","payload":{}}]`)
  await Promise.allSettled(raws.map((raw) => Promise.race([raw.closed, raw.expect(/^43999\[/)])))
}

/** After a round trip, whatever was sent before has come. */
async function staysWithUs({ client, lost }: { client: Client; lost: string[] }): Promise<void> {
  const gone = new Promise((resolve) => client.socket.once('disconnect', resolve))
  if (client.socket.connected) await Promise.race([gone, expectReply(client, 'ping', {}).catch(() => {})])
  expect(lost).toEqual([])
}

describe('A17 A22 nobody who reads is cut by what others send within their rate', () => {
  test('[SIG2] of signals: those that may be lost are lost', async () => {
    const at = await server()
    const honest = await reader(at, 'websocket')
    const signal = `42["signal",{"channel":"${channel}","name":"x","payload":"${text(8000)}"}]`
    await burst(at, 5, () => Array(230).fill(signal))
    await staysWithUs(honest)
  })

  test('[PRE2] of presence states', async () => {
    const at = await server()
    const honest = await reader(at, 'polling')
    const update = (i: number) =>
      `42["presence:update",{"channel":"${channel}","state":{"i":${i},"x":"${text(4000)}"}}]`
    await burst(at, 5, () => Array.from({ length: 95 }, (_, i) => update(i)))
    await staysWithUs(honest)
  })

  test('[DOC1] of restored layouts, which are asked for in a few bytes', async () => {
    const at = await server()
    const honest = await reader(at, 'websocket')
    await expectReply(honest.client, 'layout:update', { channel, payload: { layout: { x: text(60_000) } } })
    const restore = `42["layout:restore",{"channel":"${channel}","payload":{"version":1}}]`
    const mallory = await Polling.member(at, 'mallory', channel)
    await mallory.post(
      [...Array(45).fill(restore), `42999["task:update",{"channel":"${channel}","payload":{}}]`].join('\x1e'),
    )
    await mallory.expect(/^43999\[/).catch(() => {})
    await staysWithUs(honest)
  })
})

test('A22 [PRE1] a channel of many people who show much of themselves can still be joined', async () => {
  const at = await server({ MAX_OUTBOUND_BYTES: '262144' })
  const state = { x: text(4060) }
  for (let i = 0; i < 80; i++) {
    const raw = await RawClient.open(at)
    raw.send(connectPacket(`p${i}`))
    await raw.expect(/"connected"/)
    raw.send(`42900["channel:join",${JSON.stringify({ channel, state })}]`)
    await Promise.race([raw.closed, raw.expect(/^43900\[\{"ok":true/)])
    raw.received.length = 0
  }
  const newcomer = await reader(at, 'websocket')
  await staysWithUs(newcomer)
})

test('A22 [DOC4] who comes back with many writes that conflict is told so, and not cut', async () => {
  const at = await server()
  const { client, lost } = await reader(at, 'websocket')
  const write = (data: object, more = {}) => ({ channel, payload: { widgetId: 'w', data }, ...more })
  await expectReply(client, 'widget:update', write({ title: 1 }))
  for (const field of ['a', 'b']) {
    await expectReply(client, 'widget:update', write({ title: 2, [field]: text(60_000) }))
  }
  const replies = await Promise.allSettled(
    Array.from({ length: 14 }, (_, i) => ask(client, 'widget:update', write({ title: 10 + i }, { baseVersion: 1 }))),
  )
  expect(lost).toEqual([])
  expect(replies.map((reply) => reply.status === 'fulfilled' && !reply.value.ok)).toEqual(Array(14).fill(true))
})
