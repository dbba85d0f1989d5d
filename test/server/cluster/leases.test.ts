import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import type { Cluster } from '../../../src/server/cluster/cluster.ts'
import { LeaseKeys } from '../../../src/server/cluster/lease-keys.ts'
import { Seal } from '../../../src/server/cluster/sealed.ts'
import { cleanup } from '../../support/cleanup.ts'
import { startRedis } from '../../support/redis-server.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/until.ts'
import { KEY, startNode } from './nodes.ts'

async function keysOf(cluster: Cluster, scope: string): Promise<string[]> {
  return (await cluster.leases.read(scope)).map(({ node, key }) => `${node} ${key}`).sort()
}

async function untilReads(cluster: Cluster, scope: string, keys: readonly string[]): Promise<void> {
  let read: string[] = []
  let asked = false
  await until(`${scope} holds ${keys}`, () => {
    if (!asked) {
      asked = true
      keysOf(cluster, scope)
        .then((now) => {
          read = now
        })
        .catch(() => {})
        .finally(() => {
          asked = false
        })
    }
    return JSON.stringify(read) === JSON.stringify([...keys].sort())
  })
}

/** A node in a process of its own, that shows `scope` / `key`. */
async function startProcess(url: string): Promise<{ node: string; kill(signal: NodeJS.Signals): void }> {
  const child = fork(new URL('node-process.mjs', import.meta.url), [url, KEY.toString('hex')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  cleanup(() => child.kill('SIGKILL'))
  const [node] = (await once(child, 'message')) as [string]
  return { node, kill: (signal) => void child.kill(signal) }
}

test('[PRE4] a node that is killed is found dead by each of the others, once, and cleared away; one that only stood still is back', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  const [killed, stopped] = [await startProcess(redis.url), await startProcess(redis.url)]
  const shown = [killed, stopped].map(({ node }) => `${node} key`)
  await untilReads(ann.cluster, 'scope', shown)
  await untilReads(bob.cluster, 'scope', shown)
  killed.kill('SIGKILL')
  stopped.kill('SIGSTOP')
  const since = performance.now()
  await until('both know', () => ann.expired.length >= 2 && bob.expired.length >= 2)
  expect(performance.now() - since).toBeLessThan(12_000)
  expect(performance.now() - since).toBeGreaterThan(5000)
  await untilReads(ann.cluster, 'scope', [])
  while ((await redis.cli('KEYS', '*')) !== 'test:nodes') await new Promise((resolve) => setTimeout(resolve, 50))
  expect(await redis.cli('ZCARD', 'test:nodes')).toMatch(/2$/)
  const { times } = ann.restored
  stopped.kill('SIGCONT')
  await untilReads(ann.cluster, 'scope', shown.slice(1))
  await until('Ann is told to look again', () => ann.restored.times > times)
  for (const { expired } of [ann, bob]) expect([...expired].sort()).toEqual([killed.node, stopped.node].sort())
})

test('[PRE4] a node cut off from Redis: each side takes the other for gone, and both are back when the way is open', async () => {
  const redis = await startRedis()
  const way = await startTcpProxy({ to: redis.port })
  const ann = await startNode(redis.url)
  const bob = await startNode(`redis://127.0.0.1:${way.port}`)
  ann.cluster.leases.show('scope', 'ann', 1)
  bob.cluster.leases.show('scope', 'bob', 1)
  const both = [`${ann.cluster.node} ann`, `${bob.cluster.node} bob`]
  await untilReads(ann.cluster, 'scope', both)
  await untilReads(bob.cluster, 'scope', both)
  way.freeze()
  await until('both know', () => ann.expired.length > 0 && bob.expired.length > 0)
  await untilReads(ann.cluster, 'scope', both.slice(0, 1))
  expect(bob.cluster.health).toBe('degraded')
  const { times } = ann.restored
  way.thaw()
  await untilReads(ann.cluster, 'scope', both)
  await untilReads(bob.cluster, 'scope', both)
  await until('Ann is told to look again', () => ann.restored.times > times)
  expect(bob.restored.times).toBeGreaterThan(0)
  expect([ann.expired, bob.expired]).toEqual([[bob.cluster.node], [ann.cluster.node]])
})

test('a node that ends as it should is gone at once', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  bob.cluster.leases.show('scope', 'key', 1)
  bob.cluster.leases.show('other', 'key', 1)
  await untilReads(ann.cluster, 'scope', [`${bob.cluster.node} key`])
  const began = performance.now()
  await bob.cluster.close()
  await until('she knows', () => ann.expired.length > 0)
  expect(performance.now() - began).toBeLessThan(2000)
  expect(ann.expired).toEqual([bob.cluster.node])
  expect(await keysOf(ann.cluster, 'scope')).toEqual([])
  expect(await redis.cli('KEYS', '*')).toBe('test:nodes')
})

test('[PRE5] a Redis that was wiped is filled again, and nobody is taken for dead', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  for (let n = 0; n < 300; n++) ann.cluster.leases.show(`scope ${n}`, 'key', n)
  bob.cluster.leases.show('scope 1', 'key', 1)
  bob.cluster.leases.show('scope 1', 'hidden', 1)
  const both = [`${ann.cluster.node} key`, `${bob.cluster.node} key`]
  await untilReads(ann.cluster, 'scope 1', [...both, `${bob.cluster.node} hidden`])
  await redis.cli('FLUSHALL')
  bob.cluster.leases.hide('scope 1', 'hidden')
  const { times } = ann.restored
  await untilReads(ann.cluster, 'scope 1', both)
  await untilReads(bob.cluster, 'scope 299', [`${ann.cluster.node} key`])
  await until('she is told to look again', () => ann.restored.times > times)
  expect([...ann.expired, ...bob.expired]).toEqual([])
})

test('[PRE5] after an outage all is shown as it is now, also what was hidden meanwhile', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  const { node, leases } = ann.cluster
  leases.show('scope', 'stays', 1)
  leases.show('scope', 'goes', 1)
  leases.show('emptied', 'goes', 1)
  await untilReads(bob.cluster, 'scope', [`${node} stays`, `${node} goes`])
  redis.freeze()
  await until('degraded', () => ann.cluster.health === 'degraded' && bob.cluster.health === 'degraded')
  leases.hide('scope', 'goes')
  leases.hide('emptied', 'goes')
  leases.show('scope', 'comes', 1)
  leases.show('new', 'comes', 1)
  redis.thaw()
  await untilReads(bob.cluster, 'scope', [`${node} stays`, `${node} comes`])
  await untilReads(bob.cluster, 'emptied', [])
  await untilReads(bob.cluster, 'new', [`${node} comes`])
  expect(await redis.cli('EXISTS', 'test:shown:emptied')).toMatch(/0$/)
  expect([...ann.expired, ...bob.expired]).toEqual([])
})

test('[PRE4] with Redis away for longer than the lease the others count as gone, and are back with it', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  bob.cluster.leases.show('scope', 'key', 1)
  // A node is known from its first beat that is seen.
  await untilReads(ann.cluster, 'scope', [`${bob.cluster.node} key`])
  await redis.kill9()
  await until('nobody else counts any more', () => ann.expired.length > 0)
  expect(ann.expired).toEqual([bob.cluster.node])
  await redis.restart()
  await untilReads(ann.cluster, 'scope', [`${bob.cluster.node} key`])
  expect(ann.expired).toEqual([bob.cluster.node])
})

test('what somebody writes into Redis who does not have the store is not believed', async () => {
  const redis = await startRedis()
  const [ann, bob] = [await startNode(redis.url), await startNode(redis.url)]
  const { node, leases } = bob.cluster
  leases.show('scope', 'key', { n: 1 })
  leases.show('other', 'key', { n: 2 })
  await untilReads(ann.cluster, 'scope', [`${node} key`])
  await untilReads(ann.cluster, 'other', [`${node} key`])
  const elsewhere = await redis.cli('HGET', 'test:shown:other', `${node} key`)
  for (const forged of ['', '{}', 'x', `${node} {"n":3}`, elsewhere]) {
    await redis.cli('HSET', 'test:shown:scope', `${node} forged`, forged, `${node} key`, forged)
    expect(await keysOf(ann.cluster, 'scope')).toEqual([])
  }
  await redis.cli('ZADD', 'test:nodes', '99999999999999', 'evil', 'NaN', 'worse')
  await redis.cli('HSET', 'test:shown:scope', 'evil key', '1', 'nospace', '1', '', '')
  expect(await keysOf(ann.cluster, 'scope')).toEqual([])
  // Of another type, it cannot be read, and no more than that.
  await redis.cli('SET', 'test:shown:scope2', 'text')
  await expect(ann.cluster.leases.read('scope2')).rejects.toThrow('WRONGTYPE')
  expect(ann.cluster.health).toBe('ok')
})

test('[PRE4] what is left of a node without a lease is not read', async () => {
  const redis = await startRedis()
  const ann = await startNode(redis.url)
  const seal = new Seal(KEY)
  const place = new LeaseKeys('test').place('scope', 'key')
  for (const node of ['unknown', 'old', 'new']) {
    await redis.cli('HSET', 'test:shown:scope', `${node} key`, seal.close(place, node, '1'))
  }
  expect(await keysOf(ann.cluster, 'scope')).toEqual([])
  const [seconds] = (await redis.cli('TIME')).split('\n')
  await redis.cli('ZADD', 'test:nodes', '5', 'old', `${seconds}000`, 'new')
  // One that has just come is known without waiting for a beat.
  expect(await keysOf(ann.cluster, 'scope')).toEqual(['new key'])
})
