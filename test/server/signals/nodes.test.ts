// Signals of clients on several nodes.
import { expect, test } from 'vitest'
import { type Client, connect, expectEvent, expectReply, join } from '../../support/connect.ts'
import { nodesOfFile } from '../../support/nodes.ts'
import type { TestNode } from '../../support/start-node.ts'
import { until } from '../../support/until.ts'

const channel = 'project:p1'
const startNodes = nodesOfFile()

async function inChannel(node: TestNode, userId: string): Promise<Client> {
  const client = await connect(node, userId)
  await join(client, channel)
  return client
}

function typingTold(client: Client): boolean[] {
  return client.received.flatMap(({ event, body }) =>
    event === 'typing' ? [(body as { isTyping: boolean }).isTyping] : [],
  )
}

/** Waits until all that went the same way before has come. */
async function untilArrived(from: Client, to: Client): Promise<void> {
  const name = `mark ${Math.random()}`
  await expectReply(from, 'signal', { channel, name, payload: null })
  await expectEvent<{ name: string }>(to, 'signal', (body) => body.name === name)
}

test('[SIG1] signals reach the members on all nodes, once each, and never the sender', async () => {
  const { nodes } = await startNodes(3)
  const ann = await inChannel(nodes[0], 'ann')
  const others: Client[] = []
  for (const node of nodes) others.push(await inChannel(node, 'ben'))
  await expectReply(ann, 'signal', { channel, name: 'wave', payload: { n: 1 } })
  await expectReply(ann, 'cursor', { channel, position: { x: 1 }, context: 'c' })
  const from = { channel, user: { id: 'ann' }, sessionId: ann.connected.socketId }
  for (const client of others) {
    expect(await expectEvent(client, 'cursor')).toEqual({ ...from, position: { x: 1 }, context: 'c' })
    expect(await expectEvent(client, 'signal')).toEqual({ ...from, name: 'wave', payload: { n: 1 } })
    await untilArrived(ann, client)
    expect(client.received.filter(({ event }) => event === 'cursor')).toHaveLength(1)
  }
  expect(ann.received.map(({ event }) => event)).not.toContain('signal')
})

test('[SIG1] who types in two tabs on two nodes has stopped when both have', async () => {
  const { nodes } = await startNodes(3)
  const ben = await inChannel(nodes[0], 'ben')
  const [one, two] = [await inChannel(nodes[1], 'ann'), await inChannel(nodes.at(-1) ?? nodes[0], 'ann')]
  const cyd = await inChannel(nodes[1], 'cyd')
  for (const tab of [one, two]) {
    await expectReply(tab, 'typing', { channel, isTyping: true })
    for (const watcher of [ben, cyd]) await untilArrived(tab, watcher)
  }
  await expectReply(one, 'typing', { channel, isTyping: false })
  for (const watcher of [ben, cyd]) await untilArrived(one, watcher)
  expect([ben, cyd].map(typingTold)).toEqual([
    [true, true],
    [true, true],
  ])
  two.socket.disconnect()
  for (const watcher of [ben, cyd]) {
    await until('it is told', () => typingTold(watcher).length === 3)
    expect(typingTold(watcher)).toEqual([true, true, false])
  }
})

test('[MSG1] the signals of somebody who blocked are kept from the other on another node', async () => {
  const { nodes } = await startNodes(2)
  const [ann, ben] = [await inChannel(nodes[0], 'ann'), await inChannel(nodes[1], 'ben')]
  const cyd = await inChannel(nodes[1], 'cyd')
  const response = await fetch(`${nodes[0].url}/api/v1/users/ann/blocks/ben`, {
    method: 'PUT',
    headers: { 'x-api-key': 'key-of-the-tests-0123456789' },
  })
  expect(response.ok).toBe(true)
  // As soon as the other node knows.
  let n = 0
  const seen = () => ben.received.filter(({ event }) => event === 'cursor').length
  for (let before = -1; before !== seen(); ) {
    before = seen()
    for (let i = 0; i < 3; i++) {
      const position = ++n
      await expectReply(ann, 'cursor', { channel, position })
      await expectEvent<{ position: number }>(cyd, 'cursor', (body) => body.position === position)
    }
  }
  await expectReply(ann, 'typing', { channel, isTyping: true })
  await expectEvent(cyd, 'typing')
  await untilArrived(cyd, ben)
  expect(typingTold(ben)).toEqual([])
})

test('[SIG2] a flood of cursors is told to other nodes fifty times a second, and its last', async () => {
  const { nodes } = await startNodes(2, { rateSignalsPerSecond: 100_000 })
  const [ann, ben] = [await inChannel(nodes[0], 'ann'), await inChannel(nodes[1], 'ben')]
  const cyd = await inChannel(nodes[0], 'cyd')
  const LAST = 400
  const began = performance.now()
  for (let position = 1; position <= LAST; position++) await expectReply(ann, 'cursor', { channel, position })
  const cursors = (client: Client) => client.received.filter(({ event }) => event === 'cursor').length
  await expectEvent<{ position: number }>(ben, 'cursor', ({ position }) => position === LAST)
  const tookMs = performance.now() - began
  expect(cursors(ben)).toBeLessThanOrEqual(tookMs / 20 + 2)
  expect(cursors(cyd)).toBeGreaterThan(cursors(ben))
})
