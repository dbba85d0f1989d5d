import { beforeAll, expect, test } from 'vitest'
import { forFile } from '../support/cleanup.ts'
import { alteredBuild } from './altered-build.ts'
import { NODE_FAULTS } from './catalogue.ts'
import { type Cluster, startCluster, startServices } from './cluster.ts'
import { expectKept } from './expect-kept.ts'
import { FAILPOINTS } from './failpoints.ts'
import { runFault } from './run-fault.ts'

const SEED = 7
let cluster: Cluster

beforeAll(async () => {
  const services = await startServices()
  cluster = await forFile(() => startCluster({ services, main: alteredBuild(FAILPOINTS) }))
}, 120_000)

for (const fault of NODE_FAULTS) {
  test(`${fault.id} ${fault.title}: everybody comes back to everything, once and in order`, async () => {
    const outcome = await runFault(cluster, fault, { seed: SEED })
    expectKept(outcome)
    if (fault.isSeenThrough) expect(outcome.delaysMs.length).toBeGreaterThan(0)
  }, 120_000)
}
