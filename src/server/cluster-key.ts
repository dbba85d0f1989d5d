import { randomBytes } from 'node:crypto'
import type { Store } from './store/store.ts'

/**
 * A key that all instances share: made by the first of them and kept in the store. `bus`: what they tell each other is
 * sealed with it, so that whoever can write to Redis, but not to the store, cannot make facts. `app`: names what an app
 * says on its Redis, so that no client can take such a name first.
 * @throws ConveneError `unavailable`
 */
export async function clusterKey(store: Store, id: 'bus' | 'app'): Promise<Buffer> {
  const key = { scope: 'cluster', kind: 'key', id }
  const made = randomBytes(32).toString('base64url')
  const text = await store.change({
    reads: [key],
    decide(read) {
      const kept = read(key)
      if (kept) return { writes: [], result: String(kept.data.key) }
      return { writes: [{ ...key, seq: 0, owner: null, deleted: false, data: { key: made } }], result: made }
    },
  })
  return Buffer.from(text, 'base64url')
}
