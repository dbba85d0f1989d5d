import { beforeAll, expect, test } from 'vitest'
import { alteredBuild } from './altered-build.ts'
import { type Services, startCluster, startServices } from './cluster.ts'
import { CONTROLS } from './controls.ts'
import { expectKept } from './expect-kept.ts'
import { deafNode, slowRedis } from './redis-faults.ts'
import { runFault } from './run-fault.ts'

let services: Services

beforeAll(async () => {
  services = await startServices()
}, 120_000)

for (const { title, splices, fault, env = {}, finds } of CONTROLS) {
  test(`the checker finds ${title}`, async () => {
    const cluster = await startCluster({ services, nodes: 2, env, main: alteredBuild(splices) })
    const { violations } = await runFault(cluster, fault, { seed: 7, convergesWithinMs: 3000 })
    const found = new Set(violations.map(({ damage }) => damage))
    expect(
      finds.some((damage) => found.has(damage)),
      `found: ${[...found].join(', ') || 'nothing'}`,
    ).toBe(true)
  }, 120_000)
}

for (const [fault, env] of [
  [deafNode, { HEAD_CHECK_MS: '60000' }],
  [slowRedis, { HEAD_CHECK_MS: '200' }],
] as const) {
  test(`${fault.id} ${fault.title}: as it is, the build does not lose or double anything there`, async () => {
    const cluster = await startCluster({ services, nodes: 2, env })
    // Sooner than by comparing heads, where that is a minute apart.
    expectKept(await runFault(cluster, fault, { seed: 7, convergesWithinMs: 10_000 }))
  }, 120_000)
}
