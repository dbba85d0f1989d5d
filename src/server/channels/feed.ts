import type { Envelope } from '../../protocol/envelope.ts'
import type { LogHead, Store } from '../store/store.ts'

// Two facts of neighbouring seqs may come by different ways; a hole is mostly closed by the next message.
const REPAIR_AFTER_MS = 50
const RETRY_AFTER_MS = 1000
const REPAIR_PAGE = 300
// Beyond this many waiting behind a hole, the store is the better place to keep them.
const MAX_HELD = 1000

/** What becomes of what a feed finds. */
export interface FeedListener {
  /** The next fact of the log. */
  next(fact: Envelope): void
  /** The log is another one than before, or shorter: whoever followed it has to start over [SEQ5]. */
  renewed(): void
  /** The store could not be read; it is tried again. */
  failed(error: unknown): void
}

/** Where a feed is. */
export interface FeedPlace {
  readonly epoch: string | undefined
  readonly position: number
}

/**
 * The facts of one channel in the order of their seq, each once: those that come early wait,
 * repeats are dropped, and a hole that stays is filled from the store.
 */
export class Feed {
  readonly #store: Pick<Store, 'read' | 'heads'>
  readonly #channel: string
  readonly #listener: FeedListener
  readonly #held = new Map<number, Envelope>()
  /** Undefined until somebody has begun the log. */
  #epoch: string | undefined
  /** The seq delivered last; undefined until the feed knows where it starts. */
  #position: number | undefined
  /** The last seq that the store is known to have. */
  #known = 0
  #repair: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(store: Pick<Store, 'read' | 'heads'>, channel: string, listener: FeedListener) {
    this.#store = store
    this.#channel = channel
    this.#listener = listener
  }

  get started(): boolean {
    return this.#position !== undefined
  }

  /** The seq delivered last; 0 before it has started. */
  get position(): number {
    return this.#position ?? 0
  }

  get place(): FeedPlace {
    return { epoch: this.#epoch, position: this.position }
  }

  /** Delivers everything after the head, what came meanwhile included. No head: nobody has begun the log yet. */
  start(log: LogHead | undefined): void {
    this.#epoch = log?.epoch
    this.#position = log?.head ?? 0
    this.#known = this.#position
    this.#drain()
  }

  /** Takes a stored fact, in whatever order it comes. */
  offer(fact: Envelope): void {
    if (this.#position !== undefined) {
      if (this.#epoch !== undefined && fact.epoch !== this.#epoch) {
        // Of the log's next life, or of its last; the store knows.
        this.#verify()
        return
      }
      if (fact.seq <= this.#position) return
    }
    if (this.#held.size >= MAX_HELD && fact.seq !== (this.#position ?? 0) + 1) {
      this.#expect(fact.seq)
      return
    }
    this.#held.set(fact.seq, fact)
    this.#drain()
  }

  /**
   * Compares with what the store said of the log.
   * @param asked where this feed was when the store was asked; of a feed that has another epoch by now it says nothing
   */
  compare(log: LogHead | undefined, asked: FeedPlace): void {
    const { position } = asked
    if (this.#position === undefined || this.#epoch !== asked.epoch) return
    const isSame = this.#epoch === undefined || this.#epoch === log?.epoch
    if (!isSame || (log?.head ?? 0) < position) {
      this.#restart(log)
      return
    }
    this.#epoch = log?.epoch
    if (log) this.#expect(log.head)
  }

  /** Resolves when every fact up to `seq` has been delivered, or there is none. Rejects when the store cannot be read. */
  async reach(seq: number): Promise<void> {
    this.#known = Math.max(this.#known, seq)
    while (this.#position !== undefined && this.#position < Math.min(seq, this.#known)) {
      this.#repair ??= this.#fill(Math.max(seq, this.#known)).finally(() => {
        this.#repair = undefined
      })
      await this.#repair
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#position = undefined
    this.#held.clear()
  }

  #restart(log: LogHead | undefined): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#held.clear()
    this.start(log)
    this.#listener.renewed()
  }

  /** Facts up to a seq are said to be there: what does not come by itself is read. */
  #expect(seq: number): void {
    this.#known = Math.max(this.#known, seq)
    if (this.#position !== undefined && this.#position < this.#known) this.#repairIn(REPAIR_AFTER_MS)
  }

  #drain(): void {
    if (this.#position === undefined) return
    for (const [seq, { epoch }] of this.#held) {
      if (seq <= this.#position || (this.#epoch !== undefined && epoch !== this.#epoch)) this.#held.delete(seq)
    }
    for (let fact = this.#held.get(this.#position + 1); fact; fact = this.#held.get(this.#position + 1)) {
      this.#held.delete(fact.seq)
      this.#epoch ??= fact.epoch
      this.#position = fact.seq
      this.#listener.next(fact)
    }
    if (this.#held.size > 0 || this.#position < this.#known) {
      this.#repairIn(REPAIR_AFTER_MS)
    } else {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  #repairIn(delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.reach(Math.max(this.#known, ...this.#held.keys())).catch((error: unknown) => {
        this.#listener.failed(error)
        if (this.#position !== undefined) this.#repairIn(RETRY_AFTER_MS)
      })
    }, delayMs).unref()
  }

  #verify(): void {
    this.#repair ??= this.#ask()
      .then(
        () => {},
        (error: unknown) => this.#listener.failed(error),
      )
      .finally(() => {
        this.#repair = undefined
      })
  }

  /** Compares with the store's log as it is now. */
  async #ask(): Promise<LogHead | undefined> {
    const { place } = this
    const log = (await this.#store.heads([this.#channel])).get(this.#channel)
    this.compare(log, place)
    return log
  }

  async #fill(seq: number): Promise<void> {
    const from = this.#position
    const known = this.#known
    const doubtful = [...this.#held.keys()]
    const facts = await this.#store.read(this.#channel, { after: from, before: seq + 1, limit: REPAIR_PAGE })
    for (const fact of facts) {
      if (this.#position === undefined || fact.seq <= this.#position) continue
      if (this.#epoch !== undefined && fact.epoch !== this.#epoch) break
      // What the log no longer holds can only be skipped; whoever missed it is told when they rejoin.
      if (fact === facts[0] && fact.seq > this.#position + 1) this.#position = fact.seq - 1
      this.#held.set(fact.seq, fact)
      this.#drain()
    }
    if (this.#position === undefined || this.#position !== from) return
    // Nothing was there to go on with: trimmed, or never stored, or of another log.
    const log = await this.#ask()
    if (this.#position !== from) return
    const head = log?.head ?? 0
    for (const held of doubtful) if (held > head) this.#held.delete(held)
    if (this.#known === known) this.#known = head
    if (facts.length === 0 && from < head) {
      // Between the two questions one may have been stored: then it is there now.
      const now = await this.#store.read(this.#channel, { after: from, before: head + 1, limit: 1 })
      if (this.#position !== from) return
      if (now.length === 0) this.#position = Math.min(seq, head)
    }
    this.#drain()
  }
}
