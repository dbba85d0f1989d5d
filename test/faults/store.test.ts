import { beforeAll, expect, test } from 'vitest'
import { forFile } from '../support/cleanup.ts'
import { STORE_FAULTS } from './catalogue.ts'
import { type Cluster, startCluster, startServices } from './cluster.ts'
import { expectKept } from './expect-kept.ts'
import { runFault } from './run-fault.ts'

const SEED = 7
let cluster: Cluster

beforeAll(async () => {
  const services = await startServices()
  cluster = await forFile(() => startCluster({ services }))
}, 120_000)

for (const fault of STORE_FAULTS) {
  test(`${fault.id} ${fault.title}: what was acknowledged is there, once, and all goes on by itself`, async () => {
    const outcome = await runFault(cluster, fault, { seed: SEED })
    expectKept(outcome)
    // It did hit facts under way, or nothing was proved.
    expect(outcome.unclear + outcome.returns).toBeGreaterThan(0)
  }, 120_000)
}
