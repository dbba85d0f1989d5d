import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Store } from '../../src/server/store/store.ts'

/** Numbers from 0 to 1, the same ones whenever the seed is the same. */
export function randomOf(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/**
 * A store as another machine's would be: each call takes effect when it is made, and is answered at once, a turn later
 * or some milliseconds later, as the seed has it. So answers come in another order than their effects.
 */
export function slowStore(store: Store, seed: number): Store {
  const random = randomOf(seed)
  const late = async () => {
    const dice = random()
    if (dice < 0.5) await wait(random() * 4)
    else if (dice < 0.8) await turn()
  }
  const delayed = async <T>(answer: Promise<T>): Promise<T> => {
    await Promise.allSettled([answer, answer.then(late, late)])
    return answer
  }
  return {
    append: (draft) => delayed(store.append(draft)),
    change: (change) => delayed(store.change(change)),
    open: (channel) => delayed(store.open(channel)),
    head: (channel) => delayed(store.head(channel)),
    read: (channel, stretch) => delayed(store.read(channel, stretch)),
    record: (key) => delayed(store.record(key)),
    records: (stretch) => delayed(store.records(stretch)),
    snapshot: (channel, kind) => delayed(store.snapshot(channel, kind)),
    count: (wanted) => delayed(store.count(wanted)),
    trim: () => store.trim(),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}
