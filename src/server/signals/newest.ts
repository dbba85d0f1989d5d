import { Pace } from '../channels/pace.ts'

/** Passes on what it is given at once, and after that at most so often: of each place and key only the newest. */
export class Newest<T> {
  readonly #pass: (value: T) => void
  readonly #pace: Pace
  #waiting = new Map<string, Map<string, T>>()

  constructor(everyMs: number, pass: (value: T) => void) {
    this.#pace = new Pace(everyMs)
    this.#pass = pass
  }

  put(place: string, key: string, value: T): void {
    const waiting = this.#waiting.get(place) ?? new Map<string, T>()
    this.#waiting.set(place, waiting.set(key, value))
    this.#pace.do(() => this.#passOn())
  }

  /** What waits there is not passed on any more. */
  drop(place: string, key: string): void {
    const waiting = this.#waiting.get(place)
    if (waiting?.delete(key) && waiting.size === 0) this.#waiting.delete(place)
  }

  stop(): void {
    this.#pace.stop()
    this.#waiting.clear()
  }

  #passOn(): void {
    const due = this.#waiting
    this.#waiting = new Map()
    for (const values of due.values()) for (const value of values.values()) this.#pass(value)
  }
}
