import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../../src/protocol/envelope.ts'
import { speakBoard } from '../../../src/server/dialects/board.ts'
import { type SocketIoDialect, Words } from '../../../src/server/dialects/dialect.ts'
import { keptId } from '../../../src/server/dialects/kept-id.ts'
import { ISO } from '../../support/board.ts'

const PLACE = { channel: 'project:p1', epoch: 'e', seq: 3 } as const

function board(sessionId = 's1'): SocketIoDialect {
  return speakBoard({ sessionId, user: { id: 'ann' }, query: new URLSearchParams() })
}

function told(event: string, body: unknown, by = board()): [string, unknown][] {
  return by.tell(new Words(event, body)).map((words) => [words.event, words.body])
}

/** What a client is told of a fact. */
function fact(type: string, payload: Record<string, unknown>, more: Partial<Envelope> = {}): [string, unknown][] {
  const whole: Envelope = { type, ...PLACE, operationId: 'op', user: null, payload, timestamp: 1, ...more }
  return told(type, whole)
}

const OF_OTHERS = { operationId: keptId('ws', 'op-1', {}) }

describe('[D1] a fact in the words of another family', () => {
  test.each<[string, Record<string, unknown>, Partial<Envelope>, unknown]>([
    [
      'task:update',
      { id: 't1', projectId: 'p1', changes: { title: 'x' }, operationId: 'o', timestamp: 1 },
      OF_OTHERS,
      { id: 't1', title: 'x' },
    ],
    ['task:update', { id: 't1', changes: { id: 't2', status: 'IN_REVIEW' } }, {}, { id: 't1', status: 'UNDER_REVIEW' }],
    ['task:create', { id: 't1', status: 'IN_REVIEW' }, OF_OTHERS, { id: 't1', status: 'UNDER_REVIEW' }],
    ['task:create', { id: 't1', status: 'BLOCKED' }, OF_OTHERS, { id: 't1', status: 'BLOCKED' }],
    // The board's own, and who knows whose: as it is.
    ['task:create', { id: 't1', status: 'IN_REVIEW' }, {}, { id: 't1', status: 'IN_REVIEW' }],
    ['task:update', { id: 't1', title: 'x', changes: { a: 1 } }, {}, { id: 't1', title: 'x', changes: { a: 1 } }],
    ['task:update', { id: 't1', changes: 'many' }, {}, { id: 't1', changes: 'many' }],
    ['comment:create', { id: 'c1', status: 'IN_REVIEW' }, OF_OTHERS, { id: 'c1', status: 'IN_REVIEW' }],
  ])('%s %j', (type, payload, more, expected) => {
    expect(fact(type, payload, more)).toEqual([[type, { ...(expected as object), ...PLACE }]])
  })

  test('what the protocol has no form for is told under its own name, bare', () => {
    const other = (type: string, payload: unknown) => fact('event:other', { type, payload })
    expect(other('TEST', { a: 1 })).toEqual([['TEST', { a: 1, ...PLACE }]])
    expect(other('TASK_CREATE', 'text')).toEqual([['task:create', 'text']])
    expect(other('CARD_MOVE', [1])).toEqual([['card:move', [1]]])
    expect(other('nothing', null)).toEqual([['nothing', null]])
  })

  test.each(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'])(
    'the name %s, which would close the connection, is never told',
    (type) => {
      expect(fact('event:other', { type, payload: {} })).toEqual([])
    },
  )

  test('[D5] a payload that has such a field of its own is told as it is', () => {
    expect(fact('task:create', { seq: 3 })).toEqual([['task:create', PLACE]])
    expect(fact('task:create', { seq: 4 })).toEqual([['task:create', { seq: 4 }]])
  })

  test('each form of a fact is made once for all clients', () => {
    const envelope: Envelope = { type: 'a:b', ...PLACE, operationId: 'op', user: null, payload: {}, timestamp: 1 }
    const one = new Words('a:b', envelope)
    expect(board('s1').tell(one)[0]).toBe(board('s2').tell(one)[0])
  })
})

describe('[D5] who is here', () => {
  const user = { id: 'ben', name: 'Ben' }
  const session = { sessionId: 's2', user, state: {}, joinedAt: 0 }
  const ben = { userId: 'ben', userName: 'Ben', joinedAt: ISO }
  const about = { socketId: 's2', userId: 'ben', userName: 'Ben', timestamp: ISO }
  const roster = (more: object) => told('presence:sessions', { channel: 'project:p1', count: 60, ...more })

  test('of many the list is told now and then', () => {
    expect(roster({ change: 'joined', session })).toEqual([
      ['user:joined', about],
      ['users:count', { count: 60 }],
    ])
    expect(roster({ change: 'left', session })).toEqual([
      ['user:left', about],
      ['users:count', { count: 60 }],
    ])
    expect(roster({ change: 'listed', sessions: [session] })).toEqual([
      ['users:active', { users: [ben], count: 60 }],
      ['users:count', { count: 60 }],
    ])
    expect(roster({ change: 'shown', session, sessions: [session] })).toEqual([])
  })

  test('only in projects', () => {
    for (const change of ['joined', 'left', 'listed']) {
      expect(told('presence:sessions', { channel: 'room:r1', change, session, sessions: [session], count: 1 })).toEqual(
        [],
      )
    }
    const own = { channel: 'room:r1', change: 'joined', session, sessions: [session], count: 1 }
    expect(told('presence:sessions', own, board('s2'))).toEqual([])
    const typing = { channel: 'user:ann', user, isTyping: true }
    expect(told('typing', typing)).toEqual([])
  })

  test('what it counts session by session is not told by person as well', () => {
    for (const event of ['presence:join', 'presence:leave', 'presence:update', 'hidden']) {
      expect(told(event, { channel: 'project:p1' })).toEqual([])
    }
  })
})

test('the rest of the protocol is told as it is', () => {
  const read = { channel: 'room:r1', seq: 4, unread: 0 }
  expect(told('message:read', read)).toEqual([['message:read', read]])
  expect(told('auth:expiring', { expiresAt: 1 })).toEqual([['auth:expiring', { expiresAt: 1 }]])
  expect(told('error', { code: 'unknown_event', message: 'm' })).toEqual([])
  expect(told('error', { code: 'draining', message: 'm' })).toEqual([['error', { code: 'draining', message: 'm' }]])
})

test('what a dialect alone may ask is not for its clients to say', () => {
  for (const event of ['event:other', 'sync:update', 'conflict:resolved', 'typing:direct']) {
    expect(board().hear({ event, body: { channel: 'project:p1' } })).toEqual([])
  }
})
