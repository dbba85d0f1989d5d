import type { Envelope } from '../../protocol/envelope.ts'
import type { ErrorBody } from '../../protocol/errors.ts'
import type { ServerBody } from '../../protocol/server-events.ts'
import { FILE_CONTEXT } from './board-in.ts'
import { type Sender, Words } from './dialect.ts'
import { hasPlace, isObject, otherOf, placeOf, textOf } from './fact.ts'
import { givenId } from './kept-id.ts'
import { factName } from './names.ts'

/** What somebody is called who has no name. */
export const NAMELESS = 'Anonymous'

// Socket.IO's own: a client that is sent one closes its connection.
const RESERVED: readonly string[] = [
  'connect',
  'connect_error',
  'disconnect',
  'disconnecting',
  'newListener',
  'removeListener',
]

// What a change of a task says in the words of the family on /ws.
const CHANGED_TASK: readonly string[] = ['id', 'projectId', 'changes', 'operationId', 'timestamp']

/** [D1] A fact in the board's words: its name, and its payload bare. */
export function factWords(_event: string, body: unknown): readonly Words[] {
  const fact = body as Envelope
  const other = otherOf(fact)
  const type = other ? (factName(other.type) ?? other.type) : fact.type
  const payload = other ? other.payload : payloadOf(fact)
  return RESERVED.includes(type) ? [] : [new Words(type, withPlace(payload, fact))]
}

/** What is no fact, and not of who is here. */
export function inBoardWords(event: string, body: unknown, from?: Sender): readonly Words[] {
  switch (event) {
    case 'typing':
      return typingWords(body as ServerBody<'typing'>, from)
    case 'cursor':
      return cursorWords(body as ServerBody<'cursor'>)
    case 'pong':
      return [new Words(event, { timestamp: new Date((body as ServerBody<'pong'>).timestamp).toISOString() })]
    case 'server:shutdown':
      return [new Words(event, { message: (body as ServerBody<'server:shutdown'>).message })]
    case 'channel:left': {
      const { channel, reason } = body as ServerBody<'channel:left'>
      return [new Words('error', { message: `You are no longer in ${channel}: ${reason}`, channel, reason })]
    }
    case 'error':
      // What it does not know it ignores.
      return (body as ErrorBody).code === 'unknown_event' ? [] : [new Words(event, body)]
    // Told session by session, as it counts them.
    case 'presence:join':
    case 'presence:leave':
    case 'presence:update':
    case 'hidden':
      return []
    default:
      return [new Words(event, body)]
  }
}

function typingWords({ channel, user, isTyping, context, timestamp }: ServerBody<'typing'>, from?: Sender) {
  if (!channel.startsWith('project:')) return []
  const about = { socketId: from?.sessionId, userId: user.id }
  const where = context !== undefined && { context }
  if (!isTyping) return [new Words('typing:stop', { ...about, ...where })]
  const when = timestamp !== undefined && { timestamp }
  return [new Words('typing:start', { ...about, userName: user.name ?? from?.name ?? NAMELESS, ...where, ...when })]
}

function cursorWords(cursor: ServerBody<'cursor'>) {
  const { sessionId: socketId, position, context } = cursor
  if (context === undefined) return [new Words('canvas:cursor', { socketId, position })]
  if (!context.startsWith(FILE_CONTEXT)) return [new Words('cursor', cursor)]
  const fileId = context.slice(FILE_CONTEXT.length)
  return [new Words('markdown:cursor', { socketId, ...(fileId !== '' && { fileId }), position })]
}

/** A task as the board has it, where it came in the words of another family. */
function payloadOf({ type, operationId, payload }: Envelope): Record<string, unknown> {
  const { id, changes } = payload
  if (type === 'task:update' && textOf(id) && isObject(changes)) {
    if (Object.keys(payload).every((name) => CHANGED_TASK.includes(name))) return { ...inItsStatus(changes), id }
  }
  return type.startsWith('task:') && givenId(operationId).origin ? inItsStatus(payload) : payload
}

function inItsStatus(task: Record<string, unknown>): Record<string, unknown> {
  return task.status === 'IN_REVIEW' ? { ...task, status: 'UNDER_REVIEW' } : task
}

/**
 * [D5] Where it stands, beside an object that has no other such fields of its own. A whole place in it is an older one
 * that came back, or a wrong one, with which others would miss what they come back for.
 */
function withPlace(payload: unknown, fact: Envelope): unknown {
  if (!isObject(payload)) return payload
  const place = placeOf(fact)
  if (hasPlace(payload)) return { ...payload, ...place }
  const isTaken = Object.entries(place).some(([name, value]) => Object.hasOwn(payload, name) && payload[name] !== value)
  return isTaken ? payload : { ...payload, ...place }
}
