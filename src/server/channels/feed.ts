import type { Envelope } from '../../protocol/envelope.ts'
import type { Store } from '../store/store.ts'

// Two facts of neighbouring seqs may come by different ways; a hole is mostly closed by the next message.
const REPAIR_AFTER_MS = 50
const RETRY_AFTER_MS = 1000
const REPAIR_PAGE = 300
// Beyond this many waiting behind a hole, the store is the better place to keep them.
const MAX_HELD = 1000

/**
 * The facts of one channel in the order of their seq, each once: those that come early wait,
 * repeats are dropped, and a hole that stays is filled from the store.
 */
export class Feed {
  readonly #store: Store
  readonly #channel: string
  readonly #next: (fact: Envelope) => void
  readonly #failed: (error: unknown) => void
  readonly #held = new Map<number, Envelope>()
  /** The seq delivered last; undefined until the feed knows where it starts. */
  #position: number | undefined
  #repair: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(store: Store, channel: string, next: (fact: Envelope) => void, failed: (error: unknown) => void) {
    this.#store = store
    this.#channel = channel
    this.#next = next
    this.#failed = failed
  }

  get started(): boolean {
    return this.#position !== undefined
  }

  /** The seq delivered last; 0 before it has started. */
  get position(): number {
    return this.#position ?? 0
  }

  /** Delivers everything after `head`, what came meanwhile included. */
  start(head: number): void {
    this.#position = head
    this.#drain()
  }

  /** Takes a stored fact, in whatever order it comes. */
  offer(fact: Envelope): void {
    if (this.#position !== undefined && fact.seq <= this.#position) return
    if (this.#held.size >= MAX_HELD && fact.seq !== (this.#position ?? 0) + 1) return
    this.#held.set(fact.seq, fact)
    this.#drain()
  }

  /** Resolves when every fact up to `seq` has been delivered. Rejects when the store cannot be read. */
  async reach(seq: number): Promise<void> {
    while (this.#position !== undefined && this.#position < seq) {
      this.#repair ??= this.#fill(seq).finally(() => {
        this.#repair = undefined
      })
      await this.#repair
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#position = undefined
    this.#held.clear()
  }

  #drain(): void {
    if (this.#position === undefined) return
    for (const seq of this.#held.keys()) if (seq <= this.#position) this.#held.delete(seq)
    for (let fact = this.#held.get(this.#position + 1); fact; fact = this.#held.get(this.#position + 1)) {
      this.#held.delete(fact.seq)
      this.#position = fact.seq
      this.#next(fact)
    }
    if (this.#held.size > 0) {
      this.#repairIn(REPAIR_AFTER_MS)
    } else {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  #repairIn(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.reach(Math.max(0, ...this.#held.keys())).catch((error: unknown) => {
        this.#failed(error)
        this.#repairIn(RETRY_AFTER_MS)
      })
    }, delayMs).unref()
  }

  async #fill(seq: number): Promise<void> {
    const facts = await this.#store.read(this.#channel, {
      after: this.#position,
      before: seq + 1,
      limit: REPAIR_PAGE,
    })
    for (const fact of facts) {
      if (this.#position === undefined || fact.seq <= this.#position) continue
      // What the log no longer holds can only be skipped; whoever missed it is told when they rejoin.
      if (fact === facts[0] && fact.seq > this.#position + 1) this.#position = fact.seq - 1
      this.#held.set(fact.seq, fact)
      this.#drain()
    }
    if (facts.length === 0 && this.#position !== undefined) this.#position = seq
  }
}
