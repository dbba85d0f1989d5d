import { ConveneError } from '../../protocol/errors.ts'
import { field, hasPlace, isObject } from './fact.ts'

/** A request in the words of the protocol. */
interface Asked {
  readonly ask: string
  readonly body: object
}

/** What somebody said of a project. */
type Said = Readonly<Record<string, unknown>>

/** What stands before the id of the file that somebody points into. */
export const FILE_CONTEXT = 'markdown:'

/** What each of the board's words about a project asks for; nothing where it names no project. */
export const OWN_WORDS: ReadonlyMap<string, (said: unknown) => readonly Asked[]> = new Map([
  ownWord('task:create', 'task:create', ({ task }) => ({ payload: withoutPlace(task) })),
  ownWord('task:update', 'task:update', ({ task }) => ({ payload: withoutPlace(task) })),
  ownWord('task:delete', 'task:delete', ({ taskId }) => ({ payload: given({ taskId }) })),
  ownWord('task:move', 'task:move', ({ taskId, status }) => ({ payload: given({ taskId, status }) })),
  ownWord('canvas:update', 'canvas:update', ({ changes }) => ({ payload: withoutPlace(changes) })),
  ownWord('canvas:cursor', 'cursor', ({ position }) => ({ position })),
  ownWord('markdown:update', 'markdown:update', ({ fileId, content }) => ({ payload: given({ fileId, content }) })),
  ownWord('markdown:cursor', 'cursor', ({ fileId = '', position }) => ({
    position,
    context: typeof fileId === 'string' ? FILE_CONTEXT + fileId : fileId,
  })),
  ownWord('typing:start', 'typing', ({ context, timestamp }) => ({ isTyping: true, ...given({ context, timestamp }) })),
  ownWord('typing:stop', 'typing', ({ context }) => ({ isTyping: false, ...given({ context }) })),
])

function ownWord(event: string, ask: string, rest: (said: Said) => object) {
  const asked = (said: unknown): readonly Asked[] => {
    // What could not be read goes on as the error it is.
    if (said instanceof ConveneError) return [{ ask, body: said }]
    if (!isObject(said) || !said.projectId) return []
    return [{ ask, body: { channel: addressOf(said.projectId), ...rest(said) } }]
  }
  return [event, asked] as const
}

/**
 * What a join asks for: of a project by its id, or `{ projectId, since }` to be told what was missed [D7]. Undefined where
 * it names none.
 */
export function joinAsked(said: unknown): object | undefined {
  if (said instanceof ConveneError) return said
  const projectId = isObject(said) ? field(said, 'projectId') : said
  const since = field(said, 'since') ?? undefined
  return projectId ? { channel: addressOf(projectId), ...given({ since }) } : undefined
}

export function leaveAsked(projectId: unknown): readonly Asked[] {
  const ask = 'channel:leave'
  if (projectId instanceof ConveneError) return [{ ask, body: projectId }]
  return projectId ? [{ ask, body: { channel: addressOf(projectId) } }] : []
}

/** [D2] What is no id at all is left as it is, for the schema to refuse. */
function addressOf(projectId: unknown): unknown {
  return typeof projectId === 'string' || typeof projectId === 'number' ? `project:${projectId}` : projectId
}

/** The fields that were sent. */
function given(fields: Said): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/** Where a fact stood was added to what this client was told [D5]; it is no part of the object that comes back. */
function withoutPlace(said: unknown): unknown {
  if (!isObject(said) || !hasPlace(said)) return said
  const { channel: _channel, epoch: _epoch, seq: _seq, ...own } = said
  return own
}
