const FIRST_MS = 500
const MOST_MS = 30_000

/**
 * How long to wait before the next try: anything up to half a second at first, up to twice as much each time, up to 30 s.
 * Full jitter: clients that lost the same server do not come back together.
 */
export class Backoff {
  #failures = 0

  /** Ms until the next try. */
  next(): number {
    return Math.random() * Math.min(MOST_MS, FIRST_MS * 2 ** this.#failures++)
  }

  reset(): void {
    this.#failures = 0
  }
}
