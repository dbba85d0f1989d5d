import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startRedis } from '../../support/redis-server.ts'
import { until } from '../../support/until.ts'
import { numbers, signal, startNode } from './nodes.ts'

test('a channel that is given up while its subscription is under way, and wanted again, is heard', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  const channels = Array.from({ length: 300 }, (_, n) => `project:p${n}`)
  for (const [n, channel] of channels.entries()) {
    const first = bob.cluster.subscribe(channel)
    // So that each answer of Redis comes by itself, and the second one late.
    for (let turns = n % 4; turns > 0; turns--) await setImmediate()
    bob.cluster.unsubscribe(channel)
    await first
    await bob.cluster.subscribe(channel)
  }
  for (const [n, channel] of channels.entries()) ann.cluster.tell(signal(n, channel))
  const last = channels.length
  await bob.cluster.subscribe('project:last')
  await until('the last is heard', () => {
    ann.cluster.tell(signal(last, 'project:last'))
    return numbers(bob.received).includes(last)
  })
  expect(numbers(bob.received).filter((n) => n !== last)).toEqual(channels.map((_, n) => n))
})

test('a channel that is given up before its subscription is confirmed is not subscribed to in the end', async () => {
  const redis = await startRedis()
  const { cluster } = await startNode(redis.url)
  for (let n = 0; n < 20; n++) {
    const subscribed = cluster.subscribe('project:p1')
    cluster.unsubscribe('project:p1')
    await subscribed
  }
  const subscribers = () => redis.cli('PUBSUB', 'SHARDNUMSUB', 'test:bus:project:p1')
  await expect.poll(subscribers, { timeout: 20_000 }).toBe('test:bus:project:p1\n0')
})
