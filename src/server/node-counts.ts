import { z } from 'zod'
import type { Cluster } from './cluster/cluster.ts'

const SHOW_EVERY_MS = 2000
const SCOPE = 'nodes'

const counts = z.object({ serverId: z.string(), sessions: z.int(), channels: z.int() })
type Counts = z.infer<typeof counts>

export interface NodeCountsOptions {
  readonly cluster: Pick<Cluster, 'health' | 'leases'>
  readonly serverId: string
  /** What this instance has now. */
  count(): Omit<Counts, 'serverId'>
}

/** How much each instance serves, as it tells the others every two seconds. */
export class NodeCounts {
  readonly #options: NodeCountsOptions
  readonly #timer: NodeJS.Timeout | undefined
  #shown = ''

  constructor(options: NodeCountsOptions) {
    this.#options = options
    if (options.cluster.health === 'off') return
    this.#show()
    this.#timer = setInterval(() => this.#show(), SHOW_EVERY_MS).unref()
  }

  /** By server id. While the others are not reached, this instance alone. */
  async all(): Promise<Record<string, Omit<Counts, 'serverId'>>> {
    const { cluster, serverId, count } = this.#options
    const others = await cluster.leases.read(SCOPE).catch(() => [])
    const told = others.flatMap(({ value }) => counts.safeParse(value).data ?? [])
    const nodes = told.map(({ serverId, ...counts }) => [serverId, counts] as const)
    return { ...Object.fromEntries(nodes), [serverId]: count() }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #show(): void {
    const { cluster, serverId, count } = this.#options
    const now: Counts = { serverId, ...count() }
    if (JSON.stringify(now) === this.#shown) return
    this.#shown = JSON.stringify(now)
    cluster.leases.show(SCOPE, 'counts', now)
  }
}
