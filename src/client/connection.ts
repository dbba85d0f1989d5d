import { ConveneError } from '../protocol/errors.ts'
import { Backoff } from './backoff.ts'
import { Listeners } from './listeners.ts'
import { type Ending, Pipe, type Transport } from './pipe.ts'
import { isRetryable, type Reply } from './replies.ts'
import { type Token, tokenOf } from './token.ts'

/** `refused`: the server said no for good; `connect()` tries anew. */
export type ClientState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'refused'

export interface ConnectionOptions {
  readonly url: string
  readonly token: Token
  readonly transports: readonly Transport[]
  /** The server can be asked from now on. */
  greeted(): void
  /** What was asked and not answered is lost. */
  lost(): void
  /** Nothing will come until somebody connects anew. */
  stopped(error: ConveneError): void
  event(name: string, body: unknown): void
}

// A connection that ended sooner counts as a failed try, so that one which is cut again and again does not come at once.
const STEADY_MS = 5000

/** One server, reached again and again for as long as it is wanted. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #backoff = new Backoff()
  readonly #listeners = new Listeners<[state: ClientState, reason: ConveneError | undefined]>()
  #state: ClientState = 'idle'
  #pipe: Pipe | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Counts tries, so that one that was overtaken while it waited for its token finds out. */
  #tries = 0
  #greetedAt = 0
  #userId: string | undefined
  /** Whether an expired token has been replaced since the last greeting. */
  #renewed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  get state(): ClientState {
    return this.#state
  }

  /** Who the server says this is. */
  get userId(): string | undefined {
    return this.#userId
  }

  onState(listener: (state: ClientState, reason: ConveneError | undefined) => void): () => void {
    return this.#listeners.add(listener)
  }

  connect(): void {
    if (this.#state !== 'idle' && this.#state !== 'refused') return
    this.#backoff.reset()
    this.#renewed = false
    this.#enter('connecting')
    void this.#try()
  }

  close(): void {
    if (this.#state === 'idle') return
    this.#tries++
    clearTimeout(this.#timer)
    this.#drop()
    this.#options.stopped(
      new ConveneError('unavailable', 'The client was closed before the server answered; it may have been stored'),
    )
    this.#enter('idle')
  }

  /** Asks a connected server. Not called back when the connection is lost first: `lost` is. */
  ask(event: string, body: object, answered: (reply: Reply) => void): void {
    this.#pipe?.ask(event, body, answered)
  }

  async #try(): Promise<void> {
    const mine = ++this.#tries
    const token = await tokenOf(this.#options.token).catch((cause: unknown) => {
      if (mine === this.#tries) this.#retry(new ConveneError('unavailable', 'The token function failed', { cause }))
    })
    if (mine !== this.#tries || token === undefined) return
    this.#pipe = new Pipe({
      url: this.#options.url,
      transports: this.#options.transports,
      token,
      greeted: ({ userId }) => {
        this.#userId = userId
        this.#greetedAt = Date.now()
        this.#renewed = false
        this.#enter('connected')
        this.#options.greeted()
      },
      event: (name, body) => {
        if (name === 'auth:expiring') void this.#refresh()
        else this.#options.event(name, body)
      },
      ended: (ending) => this.#ended(ending),
    })
  }

  #ended({ error, reconnectInMs }: Ending): void {
    if (this.#state === 'connected' && Date.now() - this.#greetedAt >= STEADY_MS) this.#backoff.reset()
    this.#drop()
    if (error && !isRetryable(error)) {
      this.#options.stopped(error)
      this.#enter('refused', error)
      return
    }
    this.#retry(error, reconnectInMs)
  }

  /** Comes back when the server said, else when it is fair; at once with a new token in place of an expired one. */
  #retry(error: ConveneError | undefined, reconnectInMs?: number): void {
    const renew = error?.code === 'token_expired' && !this.#renewed
    if (renew) this.#renewed = true
    const delayMs = reconnectInMs ?? (renew ? 0 : (error?.retryAfterMs ?? 0) + this.#backoff.next())
    this.#timer = setTimeout(() => void this.#try(), delayMs)
    this.#enter('reconnecting', error)
  }

  async #refresh(): Promise<void> {
    const pipe = this.#pipe
    // Refused or not to be had: the server ends the session with its token, and the next connect asks for another.
    const token = await tokenOf(this.#options.token).catch(() => undefined)
    if (token !== undefined && pipe === this.#pipe) pipe?.ask('auth:refresh', { token }, () => {})
  }

  #drop(): void {
    this.#pipe?.close()
    this.#pipe = undefined
    if (this.#state === 'connected') this.#options.lost()
  }

  #enter(state: ClientState, reason?: ConveneError): void {
    if (state === this.#state) return
    this.#state = state
    this.#listeners.tell(state, reason)
  }
}
