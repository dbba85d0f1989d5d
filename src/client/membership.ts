import type { LogEntry, Position } from '../protocol/envelope.ts'
import { ConveneError } from '../protocol/errors.ts'
import type { JoinReply, ResetReason } from '../protocol/session.ts'
import { Backoff } from './backoff.ts'
import type { LogPosition } from './log-position.ts'
import type { Outgoing } from './outgoing.ts'
import { errorOf, isRetryable, type Reply } from './replies.ts'

export interface JoinOptions {
  /** The last position that is known: what came after it is told first. */
  readonly since?: Position
  /** Without `since`: so many of the latest facts are told first, 300 at most. */
  readonly last?: number
  /** Whether one's own facts are told as well. */
  readonly echo?: boolean
}

/** The answer to a join; its facts are told to the listeners. */
export type Joined = Omit<JoinReply, 'events'>

/** The connection as a channel sees it. */
export interface Wire {
  readonly connected: boolean
  readonly userId: string | undefined
  ask(event: string, body: object, answered: (reply: Reply) => void): void
}

export interface MembershipOptions {
  readonly channel: string
  readonly wire: Wire
  readonly log: LogPosition
  readonly outgoing: Outgoing
  receive(entry: LogEntry): void
  broken(reason: ResetReason | 'left'): void
}

/** A wish to be a member, from `join()` to `leave()`, over however many connections. */
interface Wish {
  readonly options: JoinOptions
  readonly answer: Promise<Joined>
  resolve(joined: Joined): void
  reject(error: ConveneError): void
  /** Whether the app has its answer. */
  answered: boolean
  /** How far it is with the present connection. */
  stage: 'waiting' | 'asked' | 'joined'
}

/** Joins a channel and stays a member of it. */
export class Membership {
  readonly #options: MembershipOptions
  readonly #backoff = new Backoff()
  #wish: Wish | undefined
  #rest: ReturnType<typeof setTimeout> | undefined

  constructor(options: MembershipOptions) {
    this.#options = options
  }

  get wanted(): boolean {
    return this.#wish !== undefined
  }

  get joined(): boolean {
    return this.#wish?.stage === 'joined'
  }

  get echo(): boolean {
    return this.#wish?.options.echo ?? false
  }

  join(options: JoinOptions): Promise<Joined> {
    if (this.#wish) return this.#wish.answer
    this.#options.log.forget()
    this.#wish = wishOf(options)
    this.ask()
    return this.#wish.answer
  }

  leave(): void {
    const { wire, channel } = this.#options
    const isAsked = this.#wish !== undefined && this.#wish.stage !== 'waiting'
    this.#giveUp(new ConveneError('not_joined', `Left ${channel} before the server answered`))
    if (isAsked) wire.ask('channel:leave', { channel }, () => {})
  }

  /** Asks to be let in, from where the facts ended; the first time, from where the app said. */
  ask(): void {
    const wish = this.#wish
    const { wire, channel, log } = this.#options
    if (wish?.stage !== 'waiting' || !wire.connected) return
    wish.stage = 'asked'
    const { since, last, echo } = wish.options
    const from = log.position ? { since: log.position } : { since, last }
    wire.ask('channel:join', { channel, ...from, echo }, (reply) => {
      if (this.#wish !== wish) return
      if (!reply.ok) {
        this.#refused(wish, errorOf(reply.error))
        return
      }
      const { ok, ...told } = reply
      this.#enter(wish, told as unknown as JoinReply, from.since)
    })
  }

  lost(): void {
    clearTimeout(this.#rest)
    this.#options.outgoing.pause()
    if (this.#wish) this.#wish.stage = 'waiting'
  }

  /** No connection will come by itself. A wish that was granted once waits for `connect()`. */
  stopped(error: ConveneError): void {
    if (this.#wish?.answered) this.#options.outgoing.fail(error)
    else this.#giveUp(error)
  }

  /** The server took us out. */
  removed(): void {
    if (!this.#wish) return
    this.#giveUp(new ConveneError('not_joined', `The server took you out of ${this.#options.channel}`))
    this.#options.broken('left')
  }

  #enter(wish: Wish, reply: JoinReply, since: Position | undefined): void {
    const { log, outgoing, receive, broken } = this.#options
    const { events, ...joined } = reply
    this.#backoff.reset()
    wish.stage = 'joined'
    // A rejoin goes on where it was; what it knows beyond its position is not told twice.
    if (!reply.recovered) log.start({ epoch: reply.epoch, seq: reply.head - events.length })
    else if (since && !log.position) log.start(since)
    if (!wish.answered) wish.resolve(joined)
    wish.answered = true
    if (reply.reason) broken(reply.reason)
    for (const fact of events) if (this.#wish === wish) receive(fact)
    if (this.#wish === wish) outgoing.flow()
  }

  #refused(wish: Wish, error: ConveneError): void {
    if (isRetryable(error)) {
      wish.stage = 'waiting'
      this.#rest = setTimeout(() => this.ask(), error.retryAfterMs ?? this.#backoff.next())
      return
    }
    this.#giveUp(error)
    if (wish.answered) this.#options.broken('left')
  }

  #giveUp(error: ConveneError): void {
    clearTimeout(this.#rest)
    const wish = this.#wish
    this.#wish = undefined
    if (wish && !wish.answered) wish.reject(error)
    this.#options.outgoing.fail(error)
  }
}

function wishOf(options: JoinOptions): Wish {
  let settle: Pick<Wish, 'resolve' | 'reject'> | undefined
  const answer = new Promise<Joined>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { ...(settle as Pick<Wish, 'resolve' | 'reject'>), options, answer, answered: false, stage: 'waiting' }
}
