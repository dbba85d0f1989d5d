// How many sessions a person may have on all nodes together.
import { expect, test } from 'vitest'
import { Polling } from '../../hostile/polling.ts'
import { apiOf } from '../../support/api.ts'
import { type Client, connect } from '../../support/connect.ts'
import { nodesOfFile } from '../../support/nodes.ts'
import type { TestNode } from '../../support/start-node.ts'
import { tokenFor } from '../../support/token.ts'

const startNodes = nodesOfFile()
const REFUSED = /convene_connections_refused_total\{[^}]*code="too_many"[^}]*\} (\d+)/

async function refusal(node: TestNode, userId: string): Promise<unknown> {
  const error = await connect(node, userId).then(
    () => undefined,
    (refused: Error & { data?: unknown }) => refused,
  )
  return error && { message: error.message, data: error.data }
}

const TOO_MANY = {
  message: 'Too many connections',
  data: { code: 'too_many', retryable: true, retryAfterMs: 5000 },
}

/** Connects, as soon as those who went are not counted any more. */
async function connectSoon(node: TestNode, userId: string): Promise<void> {
  await expect.poll(() => refusal(node, userId), { timeout: 20_000 }).toBeUndefined()
}

test('[CON2] the sessions of a person are counted over all nodes; those who were refused are not', async () => {
  const { nodes, redis } = await startNodes(3, { maxConnectionsPerUser: 3 })
  const clients: Client[] = []
  for (const node of nodes) clients.push(await connect(node, 'ann lee|1'))
  for (const node of nodes) expect(await refusal(node, 'ann lee|1')).toEqual(TOO_MANY)
  // Somebody else is not concerned.
  await connect(nodes[0], 'ben')
  clients[1]?.socket.disconnect()
  await connectSoon(nodes[0], 'ann lee|1')
  expect(await refusal(nodes[1], 'ann lee|1')).toEqual(TOO_MANY)
  // The second node shows nothing of her any more, once it has taken back the one that it refused.
  await expect.poll(() => redis.cli('HLEN', 'convene:shown:user ann lee|1'), { timeout: 20_000 }).toBe('2')
})

test('[CON2] who was refused is not counted while the refusal is still on its way', async () => {
  const { nodes } = await startNodes(2, { maxConnectionsPerUser: 1 })
  const [first, second] = nodes as [TestNode, TestNode]
  const ann = await connect(first, 'ann')
  // It asks to be let in, and does not poll for the answer.
  const polling = await Polling.open(second)
  await polling.post(`40${JSON.stringify({ token: tokenFor('ann') })}`)
  const api = await apiOf(second)
  const refused = async () => String((await api('GET', '/metrics')).body).match(REFUSED)?.[1]
  await expect.poll(refused, { timeout: 20_000 }).toBe('1')
  ann.socket.disconnect()
  await connectSoon(first, 'ann')
})

test('[CON2] of many who come at once on all nodes never more are let in than may', async () => {
  const { nodes } = await startNodes(3, { maxConnectionsPerUser: 4 })
  const tries = Array.from({ length: 12 }, (_, i) => refusal(nodes[i % 3] as TestNode, 'ann'))
  const refused = await Promise.all(tries)
  const letIn = refused.filter((error) => error === undefined).length
  expect(letIn).toBeLessThanOrEqual(4)
  for (const error of refused) if (error) expect(error).toEqual(TOO_MANY)
  // Nothing is left of those who were refused.
  for (let n = letIn; n < 4; n++) await connectSoon(nodes[n % 3] as TestNode, 'ann')
  expect(await refusal(nodes[0], 'ann')).toEqual(TOO_MANY)
})

test('[CON2] while Redis is away each node counts its own, and lets people in', async () => {
  const { nodes, redis } = await startNodes(2, { maxConnectionsPerUser: 2 })
  await connect(nodes[0], 'ann')
  await redis.kill9()
  await connect(nodes[1], 'ann')
  await connect(nodes[1], 'ann')
  expect(await refusal(nodes[1], 'ann')).toEqual(TOO_MANY)
  await connect(nodes[0], 'ann')
  await redis.restart()
  const isBack = async () => (await (await fetch(`${nodes[0].url}/readyz`)).json()) as { checks: { redis: string } }
  await expect.poll(async () => (await isBack()).checks.redis, { timeout: 20_000 }).toBe('ok')
  expect(await refusal(nodes[0], 'ann')).toEqual(TOO_MANY)
})
