import type { RecordKey } from '../store/record.ts'
import type { Store } from '../store/store.ts'

/** Somebody who may have been blocked, as far as it matters here: a session. */
export interface Blockable {
  readonly userId: string
  blockedBy: ReadonlySet<string>
}

/** [MSG1] Who blocked whom: the blocked one is told none of the other's messages, edits, typing or cursors. */
export class Blocks {
  readonly #store: Store
  readonly #sessionsOf: (userId: string) => readonly Blockable[]
  /** The newest reading that counts for a session: an earlier one that comes later says nothing new. */
  readonly #readings = new WeakMap<Blockable, number>()
  #last = 0

  constructor(store: Store, sessionsOf: (userId: string) => readonly Blockable[]) {
    this.#store = store
    this.#sessionsOf = sessionsOf
  }

  /** Who blocked a person. */
  async blockersOf(userId: string): Promise<string[]> {
    return (await this.#store.records({ scope: userId, kind: KIND })).map(({ id }) => id)
  }

  /** Tells a session who blocked its person, as it stands now or later. */
  async load(session: Blockable): Promise<void> {
    const reading = ++this.#last
    const blockers = await this.blockersOf(session.userId)
    if (reading < (this.#readings.get(session) ?? 0)) return
    this.#readings.set(session, reading)
    session.blockedBy = new Set(blockers)
  }

  /** From when this has resolved, the blocked person is told nothing more. */
  async block(userId: string, blockedId: string): Promise<void> {
    const key = keyOf(userId, blockedId)
    const record = { ...key, seq: 0, owner: userId, deleted: false, data: {} }
    await this.#store.change({ reads: [], decide: () => ({ writes: [record], result: undefined }) })
    await this.#reload(blockedId)
  }

  async unblock(userId: string, blockedId: string): Promise<void> {
    const key = keyOf(userId, blockedId)
    await this.#store.change({ reads: [], decide: () => ({ writes: [{ ...key, data: null }], result: undefined }) })
    await this.#reload(blockedId)
  }

  async #reload(userId: string): Promise<void> {
    await Promise.all(this.#sessionsOf(userId).map((session) => this.load(session)))
  }
}

const KIND = 'block'

// By whom is asked for most: whom somebody's messages are to be kept from.
function keyOf(userId: string, blockedId: string): RecordKey {
  return { scope: blockedId, kind: KIND, id: userId }
}
