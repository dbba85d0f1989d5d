import { randomBytes } from 'node:crypto'
import type { Cluster, Entry } from './cluster.ts'

/** One instance: there is nobody to tell, and what it shows is seen by itself alone. */
export function createAlone(): Cluster {
  const node = randomBytes(6).toString('hex')
  const shown = new Map<string, Map<string, unknown>>()
  return {
    node,
    health: 'off',
    leases: {
      show(scope, key, value) {
        const entries = shown.get(scope) ?? new Map<string, unknown>()
        shown.set(scope, entries.set(key, value))
      },
      hide(scope, key) {
        const entries = shown.get(scope)
        if (entries?.delete(key) && entries.size === 0) shown.delete(scope)
      },
      async read(scope) {
        return Array.from(shown.get(scope) ?? [], ([key, value]): Entry => ({ node, key, value }))
      },
    },
    async subscribe() {},
    unsubscribe() {},
    tell() {},
    async close() {},
  }
}
