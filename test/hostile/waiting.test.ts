import { expect, test } from 'vitest'
import { connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'
import { channel, Room } from './room.ts'

test('A22 A34 [LIFE1] who refreshes a token without end leaves time for everybody else', async () => {
  // As if nothing else would stop it.
  const server = await startServer({ rateFactsPerSecond: 10_000 })
  const [honest, mallory] = [await connect(server, 'honest'), await connect(server, 'mallory')]
  for (let i = 0; i < 60; i++) await join(mallory, `room:r${i}`)
  let over = false
  const token = tokenFor('mallory')
  const refreshed = Promise.allSettled(
    Array.from({ length: 39 }, () => mallory.socket.timeout(20_000).emitWithAck('auth:refresh', { token })),
  ).then(() => {
    over = true
  })
  let answered = 0
  while (!over) {
    await expectReply(honest, 'ping', {})
    answered++
  }
  await refreshed
  // Each is work for as many channels as somebody has joined: others have their turn in between.
  expect(answered).toBeGreaterThan(10)
})

test('A22 [LIFE4] who asks and asks and reads no answer is refused or cut, and what they asked is not kept', async () => {
  const room = await Room.open()
  for (let i = 0; i < 12; i++) await room.publish(1, { x: 'x'.repeat(60_000) })
  const mallory = await room.attacker()
  mallory.pause()
  const ask = `421["channel:history",{"channel":"${channel}","limit":4,"junk":"${'x'.repeat(60_000)}"}]`
  for (let i = 0; i < 400; i++) mallory.send(ask)
  // Behind all of them on its way, and not answered by what may be full.
  await room.publish()
  // The reader is back only when most has been refused, however slow the machine is.
  await until('most is refused', async () => {
    const text = await (await fetch(`${room.server.url}/metrics`)).text()
    const refused = text.matchAll(/^convene_requests_refused_total\{.*\} (\d+)$/gm)
    return Array.from(refused, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0) > 100
  })
  mallory.resume()
  const answers = () => mallory.received.filter((packet) => packet.startsWith('431['))
  let closed = false
  void mallory.closed.then(() => {
    closed = true
  })
  await until('all is answered', () => closed || answers().length === 400)
  expect(answers().filter((answer) => answer.startsWith('431[{"ok":true')).length).toBeLessThan(300)
  mallory.terminate()
  await room.noticesNothing()
})
