// What nodes say of themselves, and take.
import type { Cluster } from './cluster.ts'
import type { ClusterNode } from './cluster-node.ts'
import type { Footprint, HealthFinding } from './evidence.ts'

const LOOK_EVERY_MS = 50
// A process's memory goes up and down by itself.
const MAY_GROW_MB = 150

/** What nodes have to say of themselves by /readyz. */
export interface Saying {
  readonly nodes: readonly ClusterNode[]
  readonly status: number
  readonly says: RegExp
}

/** Waits until each of them says so. */
export function expectSaying({ nodes, status, says }: Saying, withinMs: number): Promise<HealthFinding[]> {
  const began = performance.now()
  return Promise.all(
    nodes.map(async (node): Promise<HealthFinding> => {
      const finding = { node: node.id, expected: `${status} ${says.source}`, withinMs }
      for (;;) {
        const now = await node.readiness()
        const afterMs = performance.now() - began
        if (now.status === status && says.test(now.says)) return { ...finding, afterMs }
        if (afterMs > withinMs) return { ...finding, afterMs: undefined }
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
      }
    }),
  )
}

export function memoryOf({ nodes }: Cluster): Map<string, number> {
  return new Map(nodes.map(({ id, memoryMb = 0 }) => [id, memoryMb]))
}

/** What nodes take when nobody is there any more, held against what they took before. */
export function footprints(cluster: Cluster, memoryBefore: ReadonlyMap<string, number>): Footprint[] {
  return Array.from(memoryOf(cluster), ([node, after]) => {
    const before = memoryBefore.get(node) ?? 0
    return { node, what: 'memory in MB', before, after, most: before + MAY_GROW_MB }
  })
}
