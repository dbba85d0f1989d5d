/** Has something done at once, and after that at most so often: of what is asked for too soon only the newest. */
export class Pace {
  readonly #everyMs: number
  #doneAt = Number.NEGATIVE_INFINITY
  #newest: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(everyMs: number) {
    this.#everyMs = everyMs
  }

  do(what: () => void): void {
    this.#newest = what
    if (this.#timer) return
    const waitMs = this.#doneAt + this.#everyMs - performance.now()
    if (waitMs <= 0) this.#doNewest()
    else this.#timer = setTimeout(() => this.#doNewest(), Math.ceil(waitMs)).unref()
  }

  /** What waits is not done any more. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#newest = undefined
  }

  #doNewest(): void {
    const newest = this.#newest
    this.stop()
    this.#doneAt = performance.now()
    newest?.()
  }
}
