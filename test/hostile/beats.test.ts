import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectReply } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'
import { BarePlain, frame } from './bare-plain.ts'

const PATH = '/socket.io/?EIO=4&transport=websocket'

test.each([
  ['pings', frame('ping', 'x'.repeat(125))],
  ['pongs', frame('pong')],
  ['pongs of Engine.IO', frame('text', '3')],
])('A22 [LIFE4] whoever sends %s without end, and reads nothing, is cut', async (_what, beat) => {
  const server = await startServer({ connectTimeoutMs: 60_000 })
  const honest = await connect(server, 'honest')
  const flooder = await BarePlain.open(server.port, PATH)
  flooder.socket.pause()
  const batch = Buffer.concat(Array(4000).fill(beat))
  const flood = setInterval(() => flooder.socket.writable && flooder.socket.write(batch), 10)
  cleanup(() => clearInterval(flood))
  await until('it is cut', () => server.server.io.engine.clientsCount === 1)
  clearInterval(flood)
  await expectReply(honest, 'ping', {})
})

test('A22 who pings now and then is answered each time', async () => {
  const server = await startServer()
  const client = await BarePlain.open(server.port, PATH)
  for (let n = 0; n < 50; n++) client.send(frame('ping', `<${n}>`))
  await client.sees('<49>')
  const answered = Array.from(client.text.matchAll(/<(\d+)>/g), ([, n]) => Number(n))
  expect(answered).toEqual(Array.from({ length: 50 }, (_, n) => n))
})
