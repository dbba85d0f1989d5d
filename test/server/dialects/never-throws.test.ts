// Whatever is said or told, a dialect answers with frames: one that throws has its client cut.
import { expect, test } from 'vitest'
import { speakBoard } from '../../../src/server/dialects/board.ts'
import { community } from '../../../src/server/dialects/community.ts'
import { dashboard } from '../../../src/server/dialects/dashboard.ts'
import { operationIn } from '../../../src/server/dialects/dashboard-operations.ts'
import { type Answer, type Step, Words } from '../../../src/server/dialects/dialect.ts'
import { keptId } from '../../../src/server/dialects/kept-id.ts'
import { tasks } from '../../../src/server/dialects/tasks.ts'
import { Random } from '../../faults/random.ts'

const ROUNDS = 4000
const random = new Random(5)
const FIELDS =
  'type payload projectId roomId groupId userId since data id operationId changes task taskId status userInfo name email ' +
  'operations widgetId layout version messageId content isTyping targetUserId position fileId context timestamp ' +
  'baseVersion channel epoch seq __proto__ constructor toString toJSON'
const fields = FIELDS.split(' ')
const names =
  'TASK_UPDATE JOIN_PROJECT LEAVE_PROJECT SET_USER CARD_MOVE SUBSCRIBE UNSUBSCRIBE TYPING DM_TYPING PING SYNC_UPDATE ' +
  'SYNC_REQUEST WIDGET_UPDATE WIDGET_DELETE WIDGET_BATCH WIDGET_LOAD LAYOUT_UPDATE CONFLICT_RESOLVED'
const types = names.split(' ')
const events =
  'join-project leave-project task:create task:move canvas:update canvas:cursor markdown:cursor typing:start'
const facts =
  'task:create task:update task:move comment:delete event:other canvas:update layout:restore widget:batch card:move'
const texts = ['', 'p1', 'msg_1', '\ud800', 'UNDER_REVIEW', 'IN_REVIEW', 'project:p1', '__proto__', 'x'.repeat(300)]

function oneOf<T>(all: readonly T[]): T {
  return random.pick(all)
}

function anything(depth = 0): unknown {
  const simple = [null, true, false, 0, -1, 1e300, undefined, oneOf(texts), oneOf(types)]
  const kind = random.next()
  if (depth > 3 || kind < 0.5) return oneOf(simple)
  return kind < 0.65 ? [anything(depth + 1), anything(depth + 1)] : object(depth)
}

function object(depth = 0): Record<string, unknown> {
  // As JSON.parse makes it: also `__proto__` is a field of its own.
  return Object.fromEntries(Array.from({ length: 5 }, () => [oneOf(fields), anything(depth + 1)]))
}

const self = () => ({
  sessionId: 's1',
  user: { id: 'ann' },
  query: new URLSearchParams(oneOf(['dashboardId=d1', 'since=a:1'])),
})

const error = { code: 'conflict', message: 'm', retryable: false } as const
const conflict = { documentId: 'w', baseVersion: 1, version: 2, fields: [{ field: 'a', mine: 1, theirs: 2 }], data: {} }
const joined = { epoch: 'e', head: 1, seq: 1, recovered: true, events: [], presence: { members: [], connections: 1 } }
const ANSWERS = [
  { ok: true, channel: 'project:p1', ...joined, connections: 1, documents: [], timestamp: 1 },
  { ok: false, error: { ...error, conflict } },
] as unknown as readonly Answer[]

/** Everything that steps lead to. */
function followed<Frame>(steps: readonly Step<Frame>[]): Frame[] {
  return steps.flatMap((step) => {
    if ('say' in step) return step.say
    if (!('ask' in step)) return []
    return ANSWERS.flatMap((answer) => [...(step.answered?.(answer) ?? []), ...followed(step.next?.(answer) ?? [])])
  })
}

/** A fact of anybody, with whatever is in it. */
function fact() {
  const operationId = oneOf(['x', keptId('ws', 'a', 1), keptId('http', undefined, 1)])
  const channel = oneOf(['project:p1', 'room:r1', 'dashboard:d1', 'user:ann'])
  const type = oneOf(facts.split(' '))
  const body = { type, channel, epoch: 'e', seq: 1, operationId, user: oneOf([null, { id: 'ben' }]), payload: object() }
  return new Words(type, { ...body, timestamp: oneOf([1, 1e16]) })
}

test.each([tasks, community, dashboard])('[REQ4] on plain WebSocket: $paths', (door) => {
  for (let round = 0; round < ROUNDS; round++) {
    const dialect = door.speak(self())
    const frame = round % 3 ? { ...object(), type: oneOf(types) } : anything()
    const told = fact()
    const frames = [followed(dialect.begin?.() ?? []), followed(dialect.hear(frame)), dialect.tell(told)].flat()
    for (const text of frames) expect(JSON.parse(text)).toMatchObject({ type: expect.any(String) })
  }
})

test('[REQ4] on Socket.IO, and in operations over HTTP', () => {
  for (let round = 0; round < ROUNDS; round++) {
    const dialect = speakBoard(self(), round % 2 === 0)
    const body = anything()
    const words = [...followed(dialect.hear({ event: oneOf(events.split(' ')), body })), ...dialect.tell(fact())]
    for (const { event, body } of words) expect(JSON.stringify([event, body])).toContain(JSON.stringify(event))
    expect(operationIn(body, 'dashboard:d1', 'ann')).toHaveProperty('type')
  }
  expect({}).not.toHaveProperty('polluted')
})
