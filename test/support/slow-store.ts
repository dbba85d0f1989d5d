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

/** A store whose calls take effect when they are made, and are answered when `late` says so. */
export function lateStore(store: Store, late: (call: keyof Store) => Promise<unknown>): Store {
  const delayed = async <T>(call: keyof Store, answer: Promise<T>): Promise<T> => {
    await answer.catch(() => {})
    await late(call)
    return answer
  }
  return {
    shared: store.shared,
    append: (draft) => delayed('append', store.append(draft)),
    change: (change) => delayed('change', store.change(change)),
    open: (channel) => delayed('open', store.open(channel)),
    head: (channel) => delayed('head', store.head(channel)),
    heads: (channels) => delayed('heads', store.heads(channels)),
    read: (channel, stretch) => delayed('read', store.read(channel, stretch)),
    record: (key) => delayed('record', store.record(key)),
    records: (stretch) => delayed('records', store.records(stretch)),
    recordsNamed: (wanted) => delayed('recordsNamed', store.recordsNamed(wanted)),
    snapshot: (channel, kind) => delayed('snapshot', store.snapshot(channel, kind)),
    count: (wanted) => delayed('count', store.count(wanted)),
    trim: () => store.trim(),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

/**
 * A store as another machine's would be: its answers come at once, a turn later or some milliseconds later, as the seed
 * has it, and so in another order than their effects.
 */
export function slowStore(store: Store, seed: number): Store {
  const random = randomOf(seed)
  return lateStore(store, async () => {
    const dice = random()
    if (dice < 0.1) await wait(random() * 20)
    else if (dice < 0.4) await wait(random() * 4)
    else if (dice < 0.6) await turn()
  })
}

/** A store some of whose answers are held back. */
export class HeldStore {
  readonly #holds = new Set<Hold>()

  over(store: Store): Store {
    return lateStore(store, async (call) => {
      for (const hold of this.#holds) if (hold.isFor(call)) await hold.released
    })
  }

  /** Holds back the first answer that `isIt`; asked for each answer from now on. */
  hold(isIt: (call: keyof Store) => boolean): Hold {
    const hold = new Hold(isIt)
    this.#holds.add(hold)
    return hold
  }

  release(): void {
    for (const hold of this.#holds) hold.release()
  }
}

class Hold {
  /** Resolves when the answer is there. */
  readonly reached: Promise<void>
  readonly released: Promise<void>
  release: () => void = () => {}
  #reach: () => void = () => {}
  #isIt: ((call: keyof Store) => boolean) | undefined

  constructor(isIt: (call: keyof Store) => boolean) {
    this.#isIt = isIt
    this.reached = new Promise((resolve) => {
      this.#reach = resolve
    })
    this.released = new Promise((resolve) => {
      this.release = resolve
    })
  }

  isFor(call: keyof Store): boolean {
    if (!this.#isIt?.(call)) return false
    this.#isIt = undefined
    this.#reach()
    return true
  }
}
