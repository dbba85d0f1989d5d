import type { Logger } from '../observe/logger.ts'

const EVERY_MS = 30_000

/** Says that Redis is away, why, and that it is back; not more than once in 30 s, however often it comes and goes. */
export class OutageLog {
  readonly #logger: Logger
  readonly #what: string
  #saidAt = Number.NEGATIVE_INFINITY
  #said = false

  constructor(logger: Logger, what: string) {
    this.#logger = logger
    this.#what = what
  }

  away(reason: Error): void {
    if (performance.now() - this.#saidAt < EVERY_MS) return
    this.#saidAt = performance.now()
    this.#said = true
    // The text alone: an error of a URL would bring the whole URL along, with its password.
    this.#logger.warn({ reason: textOf(reason) }, `Redis is not reached: ${this.#what}. Trying on`)
  }

  back(): void {
    if (this.#said) this.#logger.info('Redis is reached again')
    this.#said = false
  }
}

function textOf(error: Error): string {
  // Of a host with several addresses each was tried, and the error itself says nothing.
  if (error instanceof AggregateError) return error.errors.map((one) => textOf(one as Error)).join('; ')
  return error.message || error.name
}
