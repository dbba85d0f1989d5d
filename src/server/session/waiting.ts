import { ConveneError } from '../../protocol/errors.ts'
import { jsonBytes } from '../../protocol/limits.ts'

// Beside one for each channel, which all are joined at once when a client comes back.
const MAX_REQUESTS = 156
const MAX_BYTES = 1_048_576
const RETRY_AFTER_MS = 1000

/** What one session has asked for and cannot be served yet: behind a join, or a reply that it has to read first. */
export class Waiting {
  readonly #maxRequests: number
  #requests = 0
  #bytes = 0

  constructor(maxChannels: number) {
    this.#maxRequests = MAX_REQUESTS + maxChannels
  }

  /**
   * Serves a request when its turn has come.
   * @throws ConveneError `rate_limited` when more waits than is kept for one session; what `serve` throws
   */
  async until<T>(turn: Promise<unknown>, body: unknown, serve: () => T | Promise<T>): Promise<T> {
    const bytes = jsonBytes(body)
    if (this.#requests >= this.#maxRequests || this.#bytes + bytes > MAX_BYTES) {
      throw new ConveneError('rate_limited', 'Too much waits for its turn; read the replies first, then try again', {
        retryAfterMs: RETRY_AFTER_MS,
      })
    }
    this.#requests++
    this.#bytes += bytes
    try {
      await turn
    } finally {
      this.#requests--
      this.#bytes -= bytes
    }
    return serve()
  }
}
