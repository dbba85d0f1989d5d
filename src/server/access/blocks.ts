import type { Control } from '../channels/control.ts'
import type { RecordKey, RecordWrite } from '../store/record.ts'
import type { Store } from '../store/store.ts'

/** Somebody who may have been blocked, as far as it matters here: a session. */
export interface Blockable {
  readonly userId: string
  blockedBy: ReadonlySet<string>
  /** Closes its connection, so that it comes back and what matters is learnt anew. */
  reset(): void
}

/** [MSG1] Who blocked whom: the blocked one is told none of the other's messages, edits, typing or cursors. */
export class Blocks {
  readonly #store: Store
  readonly #control: Control
  readonly #sessionsOf: (userId: string) => readonly Blockable[]
  /** The newest reading that counts for a session: an earlier one that comes later says nothing new. */
  readonly #readings = new WeakMap<Blockable, number>()
  #last = 0

  constructor(store: Store, control: Control, sessionsOf: (userId: string) => readonly Blockable[]) {
    this.#store = store
    this.#control = control
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

  /** From when this has resolved, the blocked person is told nothing more on this instance, and soon on none. */
  async block(userId: string, blockedId: string): Promise<void> {
    await this.#change(blockedId, { ...keyOf(userId, blockedId), seq: 0, owner: userId, deleted: false, data: {} })
  }

  async unblock(userId: string, blockedId: string): Promise<void> {
    await this.#change(blockedId, { ...keyOf(userId, blockedId), data: null })
  }

  /** Another instance, or this one, has changed who blocked a person. */
  async changed(userId: string): Promise<void> {
    await Promise.all(
      this.#sessionsOf(userId).map((session) =>
        // What it must not see is not known: it is to come back when that can be read.
        this.load(session).catch(() => session.reset()),
      ),
    )
  }

  async #change(blockedId: string, write: RecordWrite): Promise<void> {
    await this.#control.tell('user:blocked', { userId: blockedId }, [write])
    await this.changed(blockedId)
  }
}

const KIND = 'block'

// By whom is asked for most: whom somebody's messages are to be kept from.
function keyOf(userId: string, blockedId: string): RecordKey {
  return { scope: blockedId, kind: KIND, id: userId }
}
