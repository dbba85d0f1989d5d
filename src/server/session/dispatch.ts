import { kindOf } from '../../protocol/channel.ts'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { ConveneError, catalogued, type ErrorBody, parseBody } from '../../protocol/errors.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { reasonOf } from '../observe/reason.ts'
import { inLane, inTurn } from './lane.ts'
import { requireJoined, requireRight } from './rights.ts'
import type { Session } from './session.ts'

/** What a handler answers. `afterwards` runs when the reply has been sent. */
export interface Answer<R = object> {
  readonly reply: R
  readonly afterwards?: () => void
}

/** Serves one event. `role` is the session's in the channel of the body, once it is joined there. */
export type Handler<B = unknown, R = object> = (session: Session, body: B, role: Role) => Answer<R> | Promise<Answer<R>>

/** Sends a reply to the one who asked, where the client gave a way to. */
export type Reply = (reply: { ok: true } | { ok: false; error: ErrorBody }) => void

export interface DispatchOptions {
  readonly events: ReadonlyMap<string, ClientEvent>
  /** What only the dialects of older families may ask for. */
  readonly olderEvents: ReadonlyMap<string, ClientEvent>
  readonly handlers: ReadonlyMap<string, Handler>
  readonly maxChannels: number
  readonly logger: Logger
  readonly metrics: Metrics
}

/** A body as far as this room looks into it. */
interface Addressed {
  readonly channel?: string
  readonly operationId?: string
}

/** What a failure says of the request it answers. */
interface About {
  readonly event: string
  readonly operationId?: string
}

/** Leads each request to its handler: known? not too many? well-formed? allowed? And its answer back. */
export class Dispatch {
  readonly #options: DispatchOptions
  #underWay = 0
  #whenIdle: (() => void)[] = []

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /** Serves one request from beginning to end. Never rejects. A body that could not be read comes as its error. */
  serve(session: Session, name: unknown, body: unknown, reply: Reply | undefined): Promise<void> {
    const known = typeof name === 'string' && this.#options.handlers.has(name)
    const stop = known ? this.#options.metrics.replySeconds.startTimer({ event: name }) : undefined
    this.#underWay++
    // What follows knows the body no more: while it waits for its turn, only what is needed of it is kept.
    const about = { event: String(name).slice(0, 128), ...operationIdOf(body) }
    return this.#finish(
      session,
      about,
      begun(() => this.#answer(session, name, body)),
      reply,
      stop,
    )
  }

  async #finish(
    session: Session,
    about: About,
    answered: Promise<Answer>,
    reply: Reply | undefined,
    stop: (() => void) | undefined,
  ): Promise<void> {
    try {
      const answer = await answered
      if (session.closed) return
      if (reply) reply({ ok: true, ...answer.reply })
      else if (about.event === 'ping') session.send('pong', answer.reply)
      answer.afterwards?.()
    } catch (thrown) {
      const error = this.#errorOf(thrown, session, about.event)
      this.#options.metrics.refused.inc({ code: error.code })
      if (session.closed) return
      if (error.code === 'rate_limited' && !session.floodRate.allows()) {
        session.connection.close(error)
        return
      }
      const { conflict, ...told } = error.toBody()
      // It brings a document: one after the other they would have a client cut that comes back with many. It can ask.
      const body: ErrorBody = conflict && session.ready ? { ...told, conflict } : told
      if (reply) reply({ ok: false, error: body })
      else session.send('error', { ...body, ...about })
    } finally {
      stop?.()
      if (--this.#underWay === 0) for (const idle of this.#whenIdle.splice(0)) idle()
    }
  }

  /** Resolves when no request is being served. */
  async idle(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
  }

  #answer(session: Session, name: unknown, body: unknown): Answer | Promise<Answer> {
    const event = typeof name === 'string' ? this.#find(session, name) : undefined
    const handler = typeof name === 'string' ? this.#options.handlers.get(name) : undefined
    if (name === 'ping' || event?.kind === 'signal') session.signalRate.take('signals')
    else session.factRate.take('requests')
    if (body instanceof ConveneError) throw body
    if (typeof name !== 'string' || !event || !handler) throw unknownEvent(name)
    const parsed = parseBody(event.body, body, name)
    const channel = (parsed as Addressed | undefined)?.channel
    if (channel === undefined) return handler(session, parsed, 'viewer')
    return inLane(session, channel, event.holds === true || event.large === true, parsed, () =>
      event.joined
        ? serveMember(session, channel, event, parsed, (role) => handler(session, parsed, role))
        : this.#enter(session, channel, parsed, () => handler(session, parsed, 'viewer')),
    )
  }

  #find(session: Session, name: string): ClientEvent | undefined {
    const { events, olderEvents } = this.#options
    return events.get(name) ?? (session.connection.older ? olderEvents.get(name) : undefined)
  }

  /** Sees that a session does not enter too many channels. Whether it may enter this one, the handler asks. */
  async #enter(session: Session, channel: string, body: unknown, serve: () => Answer | Promise<Answer>) {
    const { maxChannels } = this.#options
    const entered = new Set([...session.channels, ...session.entering].filter((name) => kindOf(name) !== 'user'))
    if (kindOf(channel) !== 'user' && entered.add(channel).size > maxChannels) {
      throw new ConveneError('too_many', `A session may join at most ${maxChannels} channels; leave one first`)
    }
    session.entering.add(channel)
    try {
      return await inTurn(session, body, serve)
    } finally {
      session.entering.delete(channel)
    }
  }

  #errorOf(thrown: unknown, session: Session, event: string): ConveneError {
    const error = catalogued(thrown)
    if ((error.code === 'internal' || error.code === 'unavailable') && error.cause !== undefined) {
      const where = { session: session.id, user: session.author.id, event }
      this.#options.logger.error({ ...reasonOf(error.code, error.cause), ...where }, 'a request failed')
    }
    return error
  }
}

/** Serves a member of the channel. What may answer with much of the log waits for its turn. */
function serveMember(
  session: Session,
  channel: string,
  event: ClientEvent,
  body: unknown,
  serve: (role: Role) => Answer | Promise<Answer>,
) {
  const role = requireJoined(channel, session.role(channel))
  requireRight(channel, role, event.needs)
  return event.large ? inTurn(session, body, () => serve(role)) : serve(role)
}

/** Begins something, and has its failure as a rejection in any case. */
async function begun<T>(work: () => T | Promise<T>): Promise<T> {
  return work()
}

/** [REQ2] */
export function unknownEvent(name: unknown): ConveneError {
  const shown = String(JSON.stringify(name)).slice(0, 80)
  return new ConveneError('unknown_event', `There is no event ${shown}; see the protocol, or declare it with EVENTS`)
}

function operationIdOf(body: unknown): { operationId?: string } {
  const operationId = typeof body === 'object' && body !== null && (body as Addressed).operationId
  return typeof operationId === 'string' ? { operationId: operationId.slice(0, 128) } : {}
}
