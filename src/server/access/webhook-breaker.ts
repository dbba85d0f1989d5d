// Stops asking somebody who fails, and tries again after a pause.

/**
 * Half open is `probing`: one question is out to see whether the rest may follow. A question belongs to the state it was
 * asked in; what it comes to later, when that state is over, changes nothing.
 */
type State = { readonly is: 'closed'; failures: number } | { readonly is: 'open'; readonly until: number } | Probing
interface Probing {
  readonly is: 'probing'
}

export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failures: number
  /** For how long it stays open before one question is let through. */
  readonly pauseMs: number
  /** Called when it opens after it was closed; not when a probe fails. */
  opened(reason: unknown): void
  /** Called when a probe has succeeded. */
  closed(): void
}

/** Thrown instead of asking. */
export class Paused extends Error {
  override readonly name = 'Paused'
  readonly retryAfterMs: number

  constructor(retryAfterMs: number) {
    super(`paused for ${retryAfterMs} ms more`)
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * Counts failures in a row, has no timer, and can say when to come back. A share of failures in a window of time, as the
 * libraries count, opens late for an app that was busy and then hangs: its last good answers outweigh the hanging ones.
 */
export class Breaker {
  readonly #options: BreakerOptions
  #state: State = { is: 'closed', failures: 0 }

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** @throws Paused without having asked; whatever `ask` throws */
  async run<T>(ask: () => Promise<T>): Promise<T> {
    const state = this.#enter()
    try {
      const answer = await ask()
      if (this.#state === state) this.#succeeded(state)
      return answer
    } catch (error) {
      if (this.#state === state) this.#failed(state, error)
      throw error
    }
  }

  #enter(): State {
    if (this.#state.is === 'closed') return this.#state
    // performance.now() does not jump when the machine's clock is set.
    const left = this.#state.is === 'open' ? this.#state.until - performance.now() : this.#options.pauseMs
    if (left > 0) throw new Paused(Math.ceil(left))
    this.#state = { is: 'probing' }
    return this.#state
  }

  #succeeded(state: State): void {
    this.#state = { is: 'closed', failures: 0 }
    if (state.is === 'probing') this.#options.closed()
  }

  #failed(state: State, reason: unknown): void {
    if (state.is === 'closed' && ++state.failures < this.#options.failures) return
    this.#state = { is: 'open', until: performance.now() + this.#options.pauseMs }
    if (state.is === 'closed') this.#options.opened(reason)
  }
}
