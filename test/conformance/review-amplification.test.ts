import { expect, test } from 'vitest'
import { apiOf, KEY } from '../support/api.ts'
import { connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'

const channel = 'project:p1'

test('[REQ4] [DOC1] a small request that has much told to everybody cuts nobody who reads', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  const layout = { data: { text: 'x'.repeat(95_000) } }
  expect(await api('PUT', `/api/v1/channels/${channel}/documents/layout`, layout)).toMatchObject({ status: 200 })
  // About 1 kB in, 12 times 95 kB out to each member.
  const operations = Array.from({ length: 12 }, (_, i) => {
    return { operationId: `o${i}`, channel, type: 'layout:restore', payload: { version: 1 } }
  })
  await ann.socket.timeout(5000).emitWithAck('sync', { operations })
  // Whoever was cut gets no answer.
  await expectReply(ben, 'ping', {})
  await expectReply(ben, 'presence:list', { channel })
  expect(ben.socket.connected).toBe(true)
})
