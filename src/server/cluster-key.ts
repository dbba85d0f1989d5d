import { randomBytes } from 'node:crypto'
import type { Store } from './store/store.ts'

const KEY = { scope: 'cluster', kind: 'key', id: 'bus' }

/**
 * The key that what instances tell each other is sealed with: made by the first of them and kept in the store, so that
 * whoever can write to Redis, but not to the store, cannot make facts.
 * @throws ConveneError `unavailable`
 */
export async function clusterKey(store: Store): Promise<Buffer> {
  const made = randomBytes(32).toString('base64url')
  const text = await store.change({
    reads: [KEY],
    decide(read) {
      const kept = read(KEY)
      if (kept) return { writes: [], result: String(kept.data.key) }
      return { writes: [{ ...KEY, seq: 0, owner: null, deleted: false, data: { key: made } }], result: made }
    },
  })
  return Buffer.from(text, 'base64url')
}
