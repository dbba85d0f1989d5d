import { expect, test } from 'vitest'
import { connect, expectReply, join } from '../support/connect.ts'
import { heldBy, untilNothingIsLeft } from '../support/left-behind.ts'
import { startServer } from '../support/start-server.ts'
import { onTwoNodes } from '../support/topology.ts'

// Each of them comes and goes 125 times; on two nodes that costs several times as much.
const PEOPLE = onTwoNodes() ? 24 : 80

test('after thousands of joins and leaves by all ways, the server holds nothing', { timeout: 120_000 }, async () => {
  const server = await startServer({ rateFactsPerSecond: 100_000, rateSignalsPerSecond: 100_000 })
  let joins = 0
  async function come(n: number): Promise<void> {
    const person = await connect(server, `u${n % 7}`, { transport: n % 5 === 0 ? 'polling' : 'websocket' })
    for (let i = 0; i < 125; i++, joins++) {
      const channel = `project:p${(n * 31 + i) % 50}`
      const joining = join(person, channel, { state: { n } })
      // Some leave before they have come.
      if (i % 3 === 0) await joining
      await expectReply(person, 'typing', { channel, isTyping: true }).catch(() => {})
      if (i % 10 === 0) await expectReply(person, 'message:send', { channel, payload: { content: `${i}` } })
      if (i % 25 > 0) await expectReply(person, 'channel:leave', { channel })
      await joining
    }
    if (n % 2 === 0) person.socket.disconnect()
    else person.socket.io.engine.close()
  }
  for (let n = 0; n < PEOPLE; n += 8) await Promise.all(Array.from({ length: 8 }, (_, i) => come(n + i)))
  expect(joins).toBe(PEOPLE * 125)
  for (const { url } of server.nodes) {
    await untilNothingIsLeft(url)
    expect(await heldBy(url)).toEqual({
      convene_sessions: 0,
      convene_channels: 0,
      convene_presence: 0,
      convene_typing: 0,
    })
  }
})
