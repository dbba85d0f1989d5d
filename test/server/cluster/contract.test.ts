import { expect, test } from 'vitest'
import { createAlone } from '../../../src/server/cluster/alone.ts'
import { aloneContract, clusterContract } from '../../contracts/cluster.ts'
import { cleanup } from '../../support/cleanup.ts'
import { type RedisServer, startRedis } from '../../support/redis-server.ts'
import { startNode } from './nodes.ts'

aloneContract('alone', async () => ({ cluster: createAlone(), received: [] }))

/** One Redis for the nodes of a test. */
function redisOfTest(args: readonly string[] = [], login = ''): () => Promise<string> {
  let running: Promise<RedisServer> | undefined
  return async () => {
    if (!running) {
      running = startRedis({ args })
      cleanup(() => {
        running = undefined
      })
    }
    return (await running).url.replace('redis://', `redis://${login}`)
  }
}

const sharded = redisOfTest()
const ordinary = redisOfTest()
const confined = redisOfTest(
  ['--user', ...'convene on >secret ~test:* &test:* +@all -@dangerous'.split(' ')],
  'convene:secret@',
)

for (const [name, url, sharding] of [
  ['Redis with sharded channels', sharded, true],
  ['Redis with ordinary channels', ordinary, false],
  ['Redis with a user confined to the prefix', confined, true],
] as const) {
  aloneContract(name, async () => await startNode(await url(), { sharding }))
  clusterContract(name, async () => await startNode(await url(), { sharding }))
}

test('channels are sharded where Redis has them for this user, and ordinary ones elsewhere', async () => {
  const redis = await startRedis({
    args: ['--user', ...'plain on >secret ~test:* &test:* +@all -@dangerous -ssubscribe'.split(' ')],
  })
  const { cluster } = await startNode(redis.url)
  await cluster.subscribe('project:new')
  expect(await redis.cli('PUBSUB', 'SHARDNUMSUB', 'test:bus:project:new')).toMatch(/1$/)
  expect(await redis.cli('PUBSUB', 'NUMSUB', 'test:bus:project:new')).toMatch(/0$/)
  const plain = await startNode(redis.url.replace('redis://', 'redis://plain:secret@'))
  expect(plain.cluster.health).toBe('ok')
  await plain.cluster.subscribe('project:old')
  expect(await redis.cli('PUBSUB', 'NUMSUB', 'test:bus:project:old')).toMatch(/1$/)
  plain.cluster.unsubscribe('project:old')
  cluster.unsubscribe('project:new')
  await cluster.subscribe('project:next')
  await plain.cluster.subscribe('project:next')
  expect(await redis.cli('PUBSUB', 'SHARDNUMSUB', 'test:bus:project:new')).toMatch(/0$/)
  expect(await redis.cli('PUBSUB', 'NUMSUB', 'test:bus:project:old')).toMatch(/0$/)
})
