import { ConveneError } from '../../protocol/errors.ts'

/** A token bucket: so many a second, and twice as many at once after a rest. */
export class Rate {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at = performance.now()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#burst = perSecond * 2
    this.#tokens = this.#burst
  }

  /** Whether one more is allowed, which is then taken. */
  allows(): boolean {
    const now = performance.now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Takes more for something that turned out to be as much work: what comes next waits the longer. */
  charge(more: number): void {
    this.#tokens -= more
  }

  /** @throws ConveneError `rate_limited`, with the time until one more is allowed */
  take(what: string): void {
    if (this.allows()) return
    const retryAfterMs = Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000)
    throw new ConveneError('rate_limited', `At most ${this.#perSecond} ${what} a second; try again later`, {
      retryAfterMs,
    })
  }
}
