import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectReply, factsOf, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'
import { Polling } from './polling.ts'
import { channel } from './room.ts'

const seqsOf = (packets: readonly string[]) =>
  packets.filter((packet) => packet.startsWith('42["a:b"')).map((packet) => Number(/"seq":(\d+)/.exec(packet)?.[1]))

test('[SEQ3] A22 an upgrade by hand, facts at every step of it: each once, in order', async () => {
  const server = await startServer()
  let published = 0
  const publish = async (count = 3) => {
    for (let i = 0; i < count; i++) await server.server.publish(channel, { type: 'a:b', payload: { n: ++published } })
  }
  for (let round = 0; round < 10; round++) {
    const before = published
    const polling = await Polling.member(server, `ann-${round}`, channel)
    await publish()
    const pending = polling.get()
    const socket = new WebSocket(polling.url.replace('http', 'ws').replace('transport=polling', 'transport=websocket'))
    cleanup(() => socket.terminate())
    const received: string[] = []
    socket.on('message', (data) => received.push(String(data)))
    await new Promise((resolve) => socket.once('open', resolve))
    await publish()
    socket.send('2probe')
    await publish()
    await until('the probe is answered', () => received.includes('3probe'))
    await pending
    await publish(round)
    const last = polling.get()
    await publish(round % 2)
    await last
    socket.send('5')
    await publish()
    await until('all facts have come', () => seqsOf([...polling.received, ...received]).includes(published))
    expect(seqsOf([...polling.received, ...received])).toEqual(
      Array.from({ length: published - before }, (_, i) => before + 1 + i),
    )
    expect(seqsOf(received).length).toBeGreaterThan(0)
    expect(seqsOf(polling.received).length).toBeGreaterThan(0)
    socket.close()
  }
})

test('[SEQ3] the stock client with its default transports, facts all the while', async () => {
  const server = await startServer()
  const watcher = await connect(server, 'watcher')
  await join(watcher, channel)
  let busy = true
  const traffic = (async () => {
    while (busy)
      await Promise.all([1, 2, 3].map((n) => server.server.publish(channel, { type: 'a:b', payload: { n } })))
  })()
  for (let round = 0; round < 15; round++) {
    const ann = await connect(server, 'ann', { transports: ['polling', 'websocket'], upgrade: true })
    const { head } = await join(ann, channel)
    await until('it is upgraded', () => ann.socket.io.engine.transport.name === 'websocket')
    const enough = factsOf(ann, channel).length + 50
    await until('facts came after the upgrade', () => factsOf(ann, channel).length > enough)
    await expectReply(ann, 'channel:leave', { channel })
    const seqs = factsOf(ann, channel).map(({ seq }) => seq)
    expect(seqs).toEqual(Array.from(seqs, (_, i) => head + 1 + i))
    ann.socket.disconnect()
  }
  busy = false
  await traffic
  await expectReply(watcher, 'ping', {})
  const all = factsOf(watcher, channel).map(({ seq }) => seq)
  expect(all).toEqual(Array.from(all, (_, i) => i + 1))
})

test('A22 an upgrade that is begun and never finished, or not by the one who polls, changes nothing', async () => {
  const server = await startServer({ drainMs: 2000 })
  const polling = await Polling.member(server, 'ann', channel)
  const url = polling.url.replace('http', 'ws').replace('transport=polling', 'transport=websocket')
  for (const packets of [[], ['2probe'], ['3probe'], ['4'], ['42["a:b",{}]'], ['2probe', '2probe'], ['2probe', 'x']]) {
    const socket = new WebSocket(url)
    cleanup(() => socket.terminate())
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('open', resolve).once('close', resolve))
    for (const packet of packets) socket.send(packet)
    await server.server.publish(channel, { type: 'a:b', payload: {} })
    socket.terminate()
    await new Promise((resolve) =>
      socket.readyState === WebSocket.CLOSED ? resolve(0) : socket.once('close', resolve),
    )
  }
  const other = new WebSocket(url.replace(/sid=[^&]+/, 'sid=nobody'))
  const refused = new Promise<Error>((resolve) => other.once('error', resolve))
  expect((await refused).message).toContain('400')
  await polling.expect(/"seq":7/)
  expect(seqsOf(polling.received)).toEqual([1, 2, 3, 4, 5, 6, 7])
})
