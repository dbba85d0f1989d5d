import { isPersonal } from '../../protocol/client-events.ts'
import type { Author, Envelope } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Verified } from '../auth/authenticator.ts'
import type { Identity } from '../auth/identity.ts'
import type { Connection, Outgoing } from './connection.ts'
import { watchExpiry } from './expiry.ts'
import { Rate } from './limits.ts'
import { Waiting } from './waiting.ts'

// Refusals a second, and twice that at once: a stock client that was offline sends all it kept in one go.
const FLOOD_PER_SECOND = 500

/** What one session may do and hold. */
export interface SessionLimits {
  readonly maxChannels: number
  readonly factsPerSecond: number
  readonly signalsPerSecond: number
}

/** One verified identity on one connection. */
export class Session {
  readonly id: string
  readonly connection: Connection
  /** [CON3] How others see this person; nothing a client sends changes it. */
  readonly author: Author
  readonly factRate: Rate
  readonly signalRate: Rate
  /** What it may be refused for its rate. Refusing costs as well, and whoever never stops takes the time of everybody. */
  readonly floodRate: Rate
  /** Requests that hold a channel: what comes after one waits for it [REQ5]. */
  readonly lanes = new Map<string, Promise<unknown>>()
  /** What cannot be served yet. */
  readonly waiting: Waiting
  /** The last of the requests whose replies may be large: they are served one after the other. */
  turn: Promise<unknown> = Promise.resolve()
  /** The last of the new tokens it was given: each is taken in after the one before. */
  refreshing: Promise<unknown> = Promise.resolve()
  /** [MSG1] Who blocked this person; known before anything is served. */
  blockedBy: ReadonlySet<string> = new Set()
  /** Channels it is about to be joined to. */
  readonly entering = new Set<string>()
  /** What was said last of each channel it is joined to. */
  readonly #roles = new Map<string, { readonly role: Role }>()
  #verified: Verified
  #stopWatch = () => {}
  #ended = false

  /** `before`: who its client was until now, whose rates it goes on with: another name is no other allowance. */
  constructor(connection: Connection, verified: Verified, limits: SessionLimits, before?: Session) {
    const { id, name, image } = verified.identity
    this.id = connection.id
    this.connection = connection
    this.author = { id, ...(name !== undefined && { name }), ...(image !== undefined && { image }) }
    this.factRate = before?.factRate ?? new Rate(limits.factsPerSecond)
    this.signalRate = before?.signalRate ?? new Rate(limits.signalsPerSecond)
    this.floodRate = before?.floodRate ?? new Rate(FLOOD_PER_SECOND)
    this.waiting = new Waiting(limits.maxChannels)
    this.#verified = verified
  }

  get userId(): string {
    return this.author.id
  }

  get identity(): Identity {
    return this.#verified.identity
  }

  get counts(): Connection['counts'] {
    return this.connection.counts
  }

  /** When its token ends, in ms since 1970. */
  get expiresAt(): number {
    return this.#verified.expiresAt
  }

  /** Whether nothing reaches the client any more, though its end may still be to come. */
  get closed(): boolean {
    return this.#ended || !this.connection.open
  }

  /** Channels it is joined to. */
  get channels(): string[] {
    return [...this.#roles.keys()]
  }

  /** Whether so little waits for the client that what may be lost is worth sending. */
  get ready(): boolean {
    return this.connection.ready
  }

  measure(event: Outgoing): number {
    return this.connection.measure(event)
  }

  hides(fact: Envelope): boolean {
    return this.blockedBy.size > 0 && fact.user !== null && this.blockedBy.has(fact.user.id) && isPersonal(fact.type)
  }

  hidesSignalsOf(userId: string): boolean {
    return this.blockedBy.has(userId)
  }

  role(channel: string): Role | undefined {
    return this.#roles.get(channel)?.role
  }

  /** Another one whenever something was said of its role in a channel: an answer asked for before that is outdated. */
  standing(channel: string): object | undefined {
    return this.#roles.get(channel)
  }

  enter(channel: string, role: Role): void {
    const isNew = !this.#roles.has(channel)
    this.#roles.set(channel, { role })
    if (isNew) this.connection.entered(channel)
  }

  exit(channel: string): void {
    if (this.#roles.delete(channel)) this.connection.exited(channel)
  }

  /** Whether one more thing may be answered that is no request; whoever never stops is sent away. */
  allowsMore(): boolean {
    if (this.signalRate.allows()) return true
    if (!this.floodRate.allows()) {
      this.close(new ConveneError('rate_limited', 'Rate limit exceeded', { retryAfterMs: 1000 }))
    }
    return false
  }

  /** [LIFE1] Watches the end of its token from now on: it has been greeted, and what it is told it hears. */
  watch(): void {
    this.#stopWatch()
    if (!this.#ended) this.#stopWatch = watchExpiry(this)
  }

  /** Goes on under a newer token of the same person. */
  renew(verified: Verified): void {
    this.#verified = verified
    this.watch()
  }

  send(event: string, body: unknown): void {
    if (!this.#ended) this.connection.send(event, body)
  }

  deliver(events: readonly Outgoing[]): void {
    if (!this.#ended) this.connection.deliver(events)
  }

  /** Closes its connection; the client comes back by itself. */
  reset(): void {
    this.connection.reset()
  }

  close(reason: ConveneError): void {
    this.connection.close(reason)
  }

  /** To be called once, by `Sessions`. */
  end(): void {
    this.#ended = true
    this.#stopWatch()
    this.#roles.clear()
  }
}
