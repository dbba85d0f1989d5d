import { ConveneError } from '../../protocol/errors.ts'

const KEY = 'sessions'

/** What instances show each other, as far as counting needs it. */
export interface ShownCounts {
  readonly health: 'off' | 'ok' | 'degraded'
  readonly node: string
  readonly leases: {
    show(scope: string, key: string, value: unknown): void
    hide(scope: string, key: string): void
    /** @throws Error while the others are not reached */
    read(scope: string): Promise<readonly { readonly node: string; readonly value: unknown }[]>
  }
}

export interface ConnectionCountOptions {
  readonly cluster: ShownCounts
  readonly maxConnectionsPerUser: number
  /** How many sessions a person has on this instance. */
  readonly here: (userId: string) => number
}

/** How many sessions each person has over all instances. While the others are not reached, those of this one count. */
export class ConnectionCount {
  readonly #options: ConnectionCountOptions

  constructor(options: ConnectionCountOptions) {
    this.#options = options
  }

  /** To be called when a person has another number of sessions here. */
  changed(userId: string): void {
    const { cluster, here } = this.#options
    if (cluster.health === 'off') return
    const count = here(userId)
    if (count > 0) cluster.leases.show(scopeOf(userId), KEY, count)
    else cluster.leases.hide(scopeOf(userId), KEY)
  }

  /**
   * Counts a person's sessions with the one that is about to be told that it is connected. Of two that come at once each
   * counts the other: rather both are refused than both let in.
   * @throws ConveneError `too_many`
   */
  async check(userId: string): Promise<void> {
    const { cluster, maxConnectionsPerUser } = this.#options
    if (cluster.health !== 'ok' || (await this.count(userId)) <= maxConnectionsPerUser) return
    throw new ConveneError('too_many', 'Too many connections', { retryAfterMs: 5000 })
  }

  /** Over all instances, as far as they are reached. Does not reject. */
  async count(userId: string): Promise<number> {
    const { cluster, here } = this.#options
    const shown = cluster.health === 'ok' ? await cluster.leases.read(scopeOf(userId)).catch(() => []) : []
    const others = shown.filter(({ node }) => node !== cluster.node)
    return others.reduce((sum, { value }) => sum + (typeof value === 'number' ? value : 0), here(userId))
  }
}

function scopeOf(userId: string): string {
  return `user ${userId}`
}
