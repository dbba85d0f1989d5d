interface Waiting<T, R> {
  readonly item: T
  readonly resolve: (result: R) => void
  readonly reject: (error: unknown) => void
}

/** What became of one item of a batch: one that fails does not fail its neighbours. */
export type Outcome<R> = { readonly ok: R } | { readonly error: Error }

/**
 * Puts whatever waits into the next transaction: the items of one turn of the event loop,
 * or all that came while the last transaction ran, share the price of one commit.
 */
export class GroupCommit<T, R> {
  readonly #commit: (items: T[]) => Outcome<R>[] | Promise<Outcome<R>[]>
  readonly #maxBatch: number
  #waiting: Waiting<T, R>[] = []
  #running = false
  #pushed = 0
  #done = 0
  readonly #watching: { readonly upTo: number; readonly resolve: () => void }[] = []

  /**
   * `commit` gives one outcome an item, in order, for all or for the first of them: the others come again, first of all.
   * When it throws, nothing of the batch was stored.
   */
  constructor(commit: (items: T[]) => Outcome<R>[] | Promise<Outcome<R>[]>, maxBatch: number) {
    this.#commit = commit
    this.#maxBatch = maxBatch
  }

  push(item: T): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      this.#pushed++
      if (this.#running) return
      this.#running = true
      void this.#run()
    })
  }

  /** Resolves when everything pushed so far has been committed or refused, whatever is pushed meanwhile. */
  async settled(): Promise<void> {
    if (this.#done === this.#pushed) return
    const upTo = this.#pushed
    await new Promise<void>((resolve) => this.#watching.push({ upTo, resolve }))
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // The end of the turn, so that all that came in it is there; and between two batches everybody else has theirs.
      await new Promise<void>((resolve) => setImmediate(resolve))
      const batch = this.#waiting.splice(0, this.#maxBatch)
      try {
        const outcomes = await this.#commit(batch.map(({ item }) => item))
        this.#waiting.unshift(...batch.splice(outcomes.length))
        batch.forEach(({ resolve, reject }, i) => {
          const outcome = outcomes[i] as Outcome<R>
          if ('ok' in outcome) resolve(outcome.ok)
          else reject(outcome.error)
        })
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      this.#done += batch.length
      while (this.#watching[0] && this.#watching[0].upTo <= this.#done) this.#watching.shift()?.resolve()
    }
    this.#running = false
  }
}
