import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Envelope } from '../../protocol/envelope.ts'
import { field, isObject, otherOf, placeOf, textOf } from './fact.ts'
import { givenId, toldId } from './kept-id.ts'
import { upperName } from './names.ts'

type Payload = Readonly<Record<string, unknown>>

/** A fact's name and payload in the family's words. */
interface Words {
  readonly type: string
  readonly payload: unknown
}

/** The frame of a fact. One that came by `/broadcast` says whose it is, so that its author's browser leaves it out. */
export function factFrames(_event: string, body: unknown): readonly string[] {
  const fact = body as Envelope
  const { origin } = givenId(fact.operationId)
  const frame = {
    ...(otherOf(fact) ?? (origin ? ownWords(fact, origin) : translated(fact))),
    operationId: toldId(fact),
    timestamp: fact.timestamp,
    ...(origin === 'http' && { userId: fact.user?.id ?? null }),
    ...placeOf(fact),
  }
  return [JSON.stringify(frame)]
}

/** What was said in these words is told in them, as it was. [D8] Only, the app's server names a comment otherwise than browsers do. */
function ownWords({ type, payload }: Envelope, origin: 'ws' | 'http'): Words {
  const named = origin === 'http' && type === 'comment:delete' ? commentNamed(payload) : payload
  return { type: upperName(type), payload: named }
}

/** [D1] What others said, as these browsers read it. */
function translated(fact: Envelope): Words {
  const { type, payload } = fact
  switch (type) {
    case 'task:create':
      return { type: 'TASK_CREATE', payload: withStatus(payload) }
    case 'task:update':
    case 'task:move':
      return taskChanged(fact) ?? { type: upperName(type), payload }
    case 'comment:delete':
      return { type: 'COMMENT_DELETE', payload: commentNamed(payload) }
    default:
      return { type: upperName(type), payload }
  }
}

/** Others send a task with what is new of it; undefined where it is not said which. */
function taskChanged({ channel, payload }: Envelope): Words | undefined {
  const { id, taskId, projectId, changes, ...rest } = payload
  const task = textOf(id) ?? textOf(taskId)
  if (task === undefined) return undefined
  const project = projectId ?? (kindOf(channel) === 'project' ? idOf(channel) : undefined)
  // Said in this form already, what stands beside is theirs.
  const said = isObject(changes)
    ? { ...payload, changes: withStatus(changes) }
    : { changes: withStatus({ ...rest, ...(changes !== undefined && { changes }) }) }
  return { type: 'TASK_UPDATE', payload: { id: task, projectId: project, ...said } }
}

/** The one status that has another name here. */
function withStatus(task: Payload): Payload {
  return task.status === 'UNDER_REVIEW' ? { ...task, status: 'IN_REVIEW' } : task
}

function commentNamed(payload: Payload): Payload {
  const { id } = payload
  return id === undefined || field(payload, 'commentId') !== undefined ? payload : { ...payload, commentId: id }
}
