import { CLIENT_EVENTS, type ClientEventName } from '../protocol/client-events.ts'
import { type Envelope, FACT_TYPE, type FactReply, type LogEntry, type Position } from '../protocol/envelope.ts'
import { ConveneError } from '../protocol/errors.ts'
import type { ResetReason } from '../protocol/session.ts'
import { Listeners } from './listeners.ts'
import { LogPosition } from './log-position.ts'
import { type Joined, type JoinOptions, Membership, type Wire } from './membership.ts'
import { newOperationId } from './operation-id.ts'
import { Outgoing } from './outgoing.ts'

/**
 * Why what comes next does not follow what came before: the log's reason [JOIN4], or `left`, when the server took this
 * client out of the channel and nothing will come.
 */
export type Discontinuity = ResetReason | 'left'

export interface PublishOptions {
  /** What makes publishing it again safe; made up unless given. 1 to 128 characters. */
  readonly operationId?: string
}

/** One channel, as `client.channel('project:p1')` gives it. */
export interface Channel {
  readonly address: string
  /** How far its facts have been told without a gap; kept over reconnects. Undefined before the first join. */
  readonly position: Position | undefined
  /**
   * Becomes a member, as soon as there is a connection, and again after each reconnect, missing nothing. The facts that
   * `since` or `last` bring are told to the listeners. Joined already, it answers as the first time.
   * @throws ConveneError what the server refused for good; `unavailable` when the client is closed first
   */
  join(options?: JoinOptions): Promise<Joined>
  /** Stops being one. What is not answered yet is rejected with `not_joined`, and may have been stored. */
  leave(): void
  /**
   * Publishes a fact: resolves when it is stored. Tried, in order, through reconnects and rate limits until the server
   * has answered, always with the same operationId.
   * @example await channel.publish('task:update', { id: 't1', done: true })
   * @throws ConveneError what the server refused for good; `not_joined`; `unavailable` when the client is closed first
   */
  publish(type: string, payload: object, options?: PublishOptions): Promise<FactReply>
  /**
   * Tells the facts of a type, or of all types with `*`, each once and in order. One's own are left out, their replies
   * say it all, unless joined with `echo: true`. Gives back the stop.
   */
  on(type: string, listener: (fact: Envelope) => void): () => void
  /** Tells that facts were missed that will not come any more: time to load anew. Gives back the stop. */
  onDiscontinuity(listener: (reason: Discontinuity) => void): () => void
}

/** A channel, and what the connection has to tell it. */
export interface ConnectedChannel extends Channel {
  greeted(): void
  lost(): void
  stopped(error: ConveneError): void
  received(entry: LogEntry): void
  removed(): void
}

export function createChannel(address: string, wire: Wire): ConnectedChannel {
  const log = new LogPosition()
  const facts = new Map<string, Listeners<[Envelope]>>()
  const discontinuities = new Listeners<[Discontinuity]>()
  const outgoing = new Outgoing({
    channel: address,
    ask: (event, body, answered) => wire.ask(event, body, answered),
    stored(reply, retried) {
      // With echo the fact itself will come. A duplicate at the first try is another session's, whose fact comes too.
      if (!membership.echo && (!reply.duplicate || retried)) log.know(reply)
    },
  })
  const membership = new Membership({ channel: address, wire, log, outgoing, receive, broken: tellBroken })

  function tellBroken(reason: Discontinuity): void {
    discontinuities.tell(reason)
  }

  function receive(entry: LogEntry): void {
    // One that is kept from this person is only a place in the log.
    if (!log.know(entry) || !('payload' in entry) || isOwn(entry)) return
    facts.get(entry.type)?.tell(entry)
    facts.get('*')?.tell(entry)
  }

  /** One whose reply was lost comes like anybody else's, after the rejoin. */
  function isOwn({ operationId, user }: Envelope): boolean {
    return !membership.echo && user?.id === wire.userId && outgoing.isUnanswered(operationId)
  }

  return {
    address,
    get position() {
      return log.position
    },
    join: (options = {}) => membership.join(options),
    leave: () => membership.leave(),
    async publish(type, payload, { operationId = newOperationId() } = {}) {
      if (!membership.wanted) throw new ConveneError('not_joined', `Join ${address} first, with join()`)
      return outgoing.push(factType(type), snapshot(payload), operationId)
    },
    on(type, listener) {
      const listeners = facts.get(type) ?? new Listeners()
      facts.set(type, listeners)
      return listeners.add(listener)
    },
    onDiscontinuity: (listener) => discontinuities.add(listener),
    greeted: () => membership.ask(),
    lost: () => membership.lost(),
    stopped: (error) => membership.stopped(error),
    removed: () => membership.removed(),
    received(entry) {
      if (membership.joined) receive(entry)
    },
  }
}

function factType(type: string): string {
  const known = Object.hasOwn(CLIENT_EVENTS, type) ? CLIENT_EVENTS[type as ClientEventName] : undefined
  if (FACT_TYPE.test(type) && (known === undefined || known.kind === 'fact')) return type
  throw new ConveneError('invalid', `"${type}" is no fact: expected noun:verb, like task:update`)
}

/** The payload as it is now: changed between two tries, it would be another operation [OP2]. */
function snapshot(payload: object): object {
  try {
    return JSON.parse(JSON.stringify(payload)) as object
  } catch (cause) {
    throw new ConveneError('invalid', 'The payload cannot be sent: expected an object of plain JSON', { cause })
  }
}
