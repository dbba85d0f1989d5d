import { randomInt } from 'node:crypto'
import { idOf } from '../../protocol/channel.ts'
import { CLIENT_EVENTS } from '../../protocol/client-events.ts'
import type { ErrorBody } from '../../protocol/errors.ts'
import type { JoinReply } from '../../protocol/session.ts'
import type { Answer, Door, PlainDialect, Self, Step, Told } from './dialect.ts'
import { factOf, field, isObject, textOf } from './fact.ts'
import { type SaidOfSelf, shownOf } from './initials.ts'
import { keptId } from './kept-id.ts'
import { factName } from './names.ts'
import { OLDER_EVENTS, OTHER } from './older-events.ts'
import { PROJECT_ID_FORM, projectAddress } from './project-id.ts'
import type { RosterChange } from './roster-change.ts'
import { factFrames } from './tasks-facts.ts'
import { presenceFrames, userPresence } from './tasks-presence.ts'

/** The family of the task board (Happy Robot). */
export const tasks: Door = {
  paths: ['/ws'],
  counts: 'sessions',
  letsInNobody: true,
  sessionId: () =>
    `client_${Date.now()}_${randomInt(36 ** 9)
      .toString(36)
      .padStart(9, '0')}`,
  closing: () => undefined,
  speak: (self) => new TasksDialect(self),
}

const RELAYED: ReadonlySet<unknown> = new Set([
  'TASK_CREATE',
  'TASK_UPDATE',
  'TASK_DELETE',
  'COMMENT_CREATE',
  'COMMENT_UPDATE',
  'COMMENT_DELETE',
  'PROJECT_UPDATE',
])
const GARBLED = 'Invalid message format'
// As an identity may be; who claims to be anything else goes on as they are.
const ID = /^[^\p{Cc}\p{Cs}]{1,256}$/u

/** The words of one client. */
class TasksDialect implements PlainDialect {
  readonly #self: Self
  #greeted = false
  /** What it has said of its person. */
  #shown: SaidOfSelf | undefined
  /** Channels of the projects that it is in, or has asked to be. */
  readonly #projects = new Set<string>()
  /** [D7] Where it was when it was joined, until it is told so. */
  readonly #joinedAt = new Map<string, object>()

  constructor(self: Self) {
    this.#self = self
  }

  hear(frame: unknown): readonly Step<string>[] {
    if (frame === null) return [{ say: errorFrames(GARBLED) }]
    const type = field(frame, 'type')
    switch (type) {
      case 'SET_USER':
        return this.#setUser(frame)
      case 'JOIN_PROJECT':
        return [...claims(field(frame, 'userId')), ...this.#inProject(frame, (channel) => this.#join(channel, frame))]
      case 'LEAVE_PROJECT':
        return this.#inProject(frame, (channel) => this.#leave(channel))
      default:
        return isRelayed(type) ? this.#inProject(frame, (channel) => this.#relay(channel, type, frame)) : []
    }
  }

  tell(told: Told): readonly string[] {
    if (factOf(told.event, told.body)) return told.as(factFrames)
    switch (told.event) {
      case 'connected':
        return this.#greet()
      case 'presence:sessions':
        return this.#tellPresence(told)
      case 'channel:left':
        return this.#tellLeft(String(field(told.body, 'channel')), field(told.body, 'reason'))
      case 'error':
        return refused(told.body as ErrorBody)
      default:
        return []
    }
  }

  garbled(error: ErrorBody): readonly string[] {
    return error.code === 'too_large' ? refused(error) : errorFrames(GARBLED)
  }

  #setUser(frame: unknown): Step<string>[] {
    const payload = field(frame, 'payload')
    this.#shown = shownOf(field(payload, 'userInfo'))
    const state = this.#shown
    return [
      ...claims(textOf(field(payload, 'userId')) ?? field(frame, 'userId')),
      ...Array.from(this.#projects, (channel) => ({
        ask: 'presence:update',
        body: { channel, state },
        answered: (answer: Answer) => refusedUnless('not_joined', answer),
      })),
    ]
  }

  #join(channel: string, frame: unknown): Step<string> {
    const since = field(frame, 'since') ?? undefined
    const state = this.#shown
    const wasIn = this.#projects.has(channel)
    this.#projects.add(channel)
    return {
      ask: 'channel:join',
      body: { channel, ...(since !== undefined && { since }), ...(state && { state }) },
      answered: (answer) => {
        if (!answer.ok) {
          if (!wasIn) this.#projects.delete(channel)
          return refused(answer.error)
        }
        const { epoch, head: seq, recovered, reason, events } = answer as unknown as JoinReply
        const missed = since !== undefined && { recovered, ...(reason !== undefined && { reason }) }
        this.#joinedAt.set(channel, { epoch, seq, channel, ...missed })
        return events.flatMap((entry) => (factOf(entry.type, entry) ? factFrames(entry.type, entry) : []))
      },
    }
  }

  #leave(channel: string): Step<string> {
    this.#projects.delete(channel)
    return { ask: 'channel:leave', body: { channel }, answered: (answer) => refusedUnless('not_joined', answer) }
  }

  /** [D5] The payload is kept as it is; what no fact can hold, beside its name. */
  #relay(channel: string, type: string, frame: unknown): Step<string> {
    const payload = field(frame, 'payload')
    const given = textOf(field(frame, 'operationId'))
    const who = this.#self.user.id
    // A name that nobody has declared is known to be none only by itself.
    const isFact = isObject(payload) || !RELAYED.has(type)
    return {
      ask: isFact ? (factName(type) ?? OTHER) : OTHER,
      body: {
        channel,
        payload: isFact ? payload : { type, payload },
        operationId: keptId('ws', given, { who, type, channel, payload }),
      },
      answered: (answer) => refusedUnless('unknown_event', answer),
    }
  }

  /** What it says of a project; nothing where it names none. */
  #inProject(frame: unknown, step: (channel: string) => Step<string>): Step<string>[] {
    const projectId = field(frame, 'projectId')
    if (!projectId) return []
    const channel = projectAddress(projectId)
    return [channel ? step(channel) : { say: errorFrames(`projectId: ${PROJECT_ID_FORM}`, 'invalid') }]
  }

  /** Once: where claims are believed, it may come to be somebody else. */
  #greet(): string[] {
    if (this.#greeted) return []
    this.#greeted = true
    const { sessionId: clientId } = this.#self
    return [JSON.stringify({ type: 'CONNECTION_ESTABLISHED', clientId, timestamp: Date.now() })]
  }

  #tellPresence(told: Told): readonly string[] {
    const { channel, change, session } = told.body as RosterChange
    const joinedAt = this.#joinedAt.get(channel)
    if (!joinedAt || change !== 'joined' || session?.sessionId !== this.#self.sessionId) return told.as(presenceFrames)
    const presence = told.as(userPresence)
    if (!presence) return []
    this.#joinedAt.delete(channel)
    return [JSON.stringify({ ...presence, ...joinedAt })]
  }

  #tellLeft(channel: string, reason: unknown): string[] {
    this.#projects.delete(channel)
    this.#joinedAt.delete(channel)
    const why = reason === 'removed' ? 'You were removed from' : 'You may not be any more in'
    return errorFrames(`${why} project ${idOf(channel)}`, 'forbidden')
  }
}

/** The seven words of the family, and those that a deployment may have declared; not all that the protocol could be asked. */
function isRelayed(type: unknown): type is string {
  if (typeof type !== 'string') return false
  if (RELAYED.has(type)) return true
  const name = factName(type)
  return name !== undefined && !Object.hasOwn(CLIENT_EVENTS, name) && !OLDER_EVENTS.has(name)
}

function claims(userId: unknown): Step<string>[] {
  return typeof userId === 'string' && ID.test(userId) ? [{ claim: userId }] : []
}

function refusedUnless(code: ErrorBody['code'], answer: Answer): string[] {
  return answer.ok || answer.error.code === code ? [] : refused(answer.error)
}

/** In the words of the protocol, but for the name that joining has here. */
function refused({ code, message }: ErrorBody): string[] {
  return errorFrames(message.replace('channel:join', 'JOIN_PROJECT'), code)
}

function errorFrames(error: string, code?: string): string[] {
  return [JSON.stringify({ type: 'ERROR', error, timestamp: Date.now(), ...(code !== undefined && { code }) })]
}
