import { beforeAll, expect, test } from 'vitest'
import { forFile } from '../support/cleanup.ts'
import { REDIS_FAULTS } from './catalogue.ts'
import { type Cluster, startCluster, startServices } from './cluster.ts'
import { expectKept } from './expect-kept.ts'
import { runFault } from './run-fault.ts'

const SEED = 7
// Promised are 2 s; a machine may be busy.
const SEEN_WITHIN_MS = 10_000
let cluster: Cluster

beforeAll(async () => {
  const services = await startServices()
  cluster = await forFile(() => startCluster({ services }))
}, 120_000)

for (const fault of REDIS_FAULTS) {
  test(`${fault.id} ${fault.title}: facts go on being stored and seen on every node, and none is lost`, async () => {
    const outcome = await runFault(cluster, fault, { seed: SEED })
    expectKept(outcome)
    for (const { id } of cluster.nodes) expect(outcome.meanwhile.get(id)).toBeGreaterThan(0)
    expect(outcome.delaysMs.length).toBeGreaterThan(0)
    expect(outcome.delaysMs.at(-1)).toBeLessThan(SEEN_WITHIN_MS)
  }, 120_000)
}
