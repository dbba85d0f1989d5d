import { expect, test } from 'vitest'
import { apiOf, KEY } from '../support/api.ts'
import { ask, connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'

const channel = 'project:p1'

/** Whether somebody is still connected once a reply, however large, has had its effect. */
async function isKept(person: Awaited<ReturnType<typeof connect>>): Promise<boolean> {
  return person.socket
    .timeout(5000)
    .emitWithAck('ping', {})
    .then(
      () => person.socket.connected,
      () => false,
    )
}

test('[LIFE4] a reply that tells of many people cuts nobody', async () => {
  // As 260 people would with the default, 1 MiB.
  const server = await startServer({ maxOutboundBytes: 65_536 })
  const state = { picture: 'x'.repeat(4000) }
  for (let i = 0; i < 20; i++) await expectReply(await connect(server, `u${i}`), 'channel:join', { channel, state })
  const late = await connect(server, 'late')
  await ask(late, 'channel:join', { channel })
  expect(await isKept(late)).toBe(true)
})

test('[LIFE4] a list of documents cuts nobody, whatever MAX_OUTBOUND_BYTES is', async () => {
  const server = await startServer({ apiKeys: [KEY], maxOutboundBytes: 131_072 })
  const api = await apiOf(server)
  for (let i = 0; i < 3; i++) {
    const path = `/api/v1/channels/${channel}/documents/widget:w${i}`
    // Kept, or refused as too large for such a server.
    await api('PUT', path, { data: { text: 'x'.repeat(60_000) } })
  }
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  await ask(ann, 'document:list', { channel })
  expect(await isKept(ann)).toBe(true)
})

test('[LIFE4] catch-ups of several channels at once, and pages of history, cut nobody who reads', async () => {
  const server = await startServer({ rateFactsPerSecond: 10_000 })
  const ann = await connect(server, 'ann')
  const channels = Array.from({ length: 6 }, (_, i) => `project:p${i}`)
  const positions = new Map<string, { epoch: string; seq: number }>()
  for (const channel of channels) {
    const { epoch, head } = await join(ann, channel)
    positions.set(channel, { epoch, seq: head })
    const payload = { text: 'x'.repeat(60_000) }
    for (let i = 0; i < 8; i++) await expectReply(ann, 'task:update', { channel, payload })
  }
  const ben = await connect(server, 'ben')
  const caughtUp = await Promise.all(channels.map((channel) => join(ben, channel, { since: positions.get(channel) })))
  expect(caughtUp.map(({ events }) => events.length)).toEqual(channels.map(() => 8))
  const pages = await Promise.all(
    channels.map((channel) => expectReply<{ events: unknown[] }>(ben, 'channel:history', { channel })),
  )
  expect(pages.map(({ events }) => events.length)).toEqual(channels.map(() => 8))
  await expectReply(ben, 'ping', {})
})

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
