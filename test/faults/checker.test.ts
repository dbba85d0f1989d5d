import { expect, test } from 'vitest'
import { check } from './checker.ts'
import type { Evidence, LogRow } from './evidence.ts'
import type { Entry, Happening } from './history.ts'

const channel = 'project:p1'
const epoch = 'e1'

function row(seq: number, operationId: string, more: Partial<LogRow> = {}): LogRow {
  return { channel, epoch, seq, type: 'task:update', operationId, userId: 'ann', payload: {}, ...more }
}

function by(client: string, ...happenings: Happening[]): Entry[] {
  return happenings.map((happening, at) => ({ ...happening, at, client, userId: client, channel }))
}

const joined: Happening = { kind: 'joined', node: 'n1', epoch, head: 0, since: undefined, events: 0 }
const invoke = (operationId: string): Happening => ({ kind: 'invoke', operationId })
const ok = (operationId: string, seq: number): Happening => ({ kind: 'ok', operationId, epoch, seq })
const recv = (seq: number, operationId: string, of = epoch): Happening => ({
  kind: 'recv',
  epoch: of,
  seq,
  operationId,
  how: 'live',
})

const ann = by('ann', joined, invoke('a'), ok('a', 1), recv(1, 'a'), invoke('b'), ok('b', 2), recv(2, 'b'))
const ben = by('ben', joined, recv(1, 'a'), recv(2, 'b'))
const log = [row(1, 'a'), row(2, 'b')]
const present = [
  { client: 'ann', channel },
  { client: 'ben', channel },
]
const good: Evidence = { history: [...ann, ...ben], log, present }

/** What is found when something of a good run is otherwise. */
function found(change: Partial<Evidence>): string[] {
  return check({ ...good, ...change }).map(({ invariant, damage }) => `${invariant} ${damage}`)
}

test('a good run has nothing wrong, whatever was tried in between', () => {
  expect(check(good)).toEqual([])
  const troubled = [
    ...ann,
    ...by('ann', { kind: 'info', operationId: 'b', why: 'timeout' }, { kind: 'left', why: 'transport close' }),
    ...by('ann', invoke('c'), { kind: 'fail', operationId: 'c', code: 'forbidden' }),
    ...by('ann', invoke('d'), { kind: 'info', operationId: 'd', why: 'timeout' }),
    ...by('ben', joined, recv(1, 'a')),
    ...by('ben', { kind: 'joined', node: 'n2', epoch, head: 2, since: 1, events: 1 }, recv(2, 'b')),
  ]
  expect(found({ history: troubled })).toEqual([])
})

test('I1 an acknowledged operation that is not in the database, or at another place, is found', () => {
  expect(found({ log: [row(1, 'a')] })).toContain('I1 lost')
  expect(found({ log: [row(1, 'b'), row(2, 'a')] })).toContain('I1 lost')
  expect(found({ log: [row(1, 'a', { epoch: 'e2' }), row(2, 'b', { epoch: 'e2' })] })).toContain('I1 lost')
})

test('I1 a member that misses one, is behind at the end, is given less than it missed, or starts over, is found', () => {
  expect(found({ history: [...ann, ...by('ben', joined, recv(2, 'b'))] })).toEqual(['I1 lost'])
  expect(found({ history: [...ann, ...by('ben', joined, recv(1, 'a'))] })).toEqual(['I1 lost'])
  expect(found({ history: ann })).toEqual(['I1 lost'])
  const back: Happening = { kind: 'joined', node: 'n1', epoch, head: 2, since: 1, events: 0 }
  expect(found({ history: [...ann, ...by('ben', joined, recv(1, 'a'), back, recv(2, 'b'))] })).toEqual(['I1 lost'])
  const over: Happening = { kind: 'joined', node: 'n1', epoch, head: 2, since: 1, events: 0, reset: 'ahead' }
  expect(found({ history: [...ann, ...by('ben', joined, recv(1, 'a'), over)] })).toEqual(['I1 lost'])
})

test('I2 an operation stored twice, told twice, acknowledged at two places, or refused after it was done, is found', () => {
  const twice = [...log, row(3, 'a')]
  const history = [...ann, ...by('ann', recv(3, 'a')), ...ben, ...by('ben', recv(3, 'a'))]
  expect(found({ log: twice, history })).toEqual(['I2 doubled', 'I2 doubled', 'I2 doubled'])
  expect(found({ history: [...ann, ...ben, ...by('ben', recv(2, 'b'))] })).toEqual(['I2 doubled'])
  expect(found({ history: [...good.history, ...by('ann', ok('a', 2))] })).toEqual(['I1 lost', 'I2 doubled'])
  const refused: Happening = { kind: 'fail', operationId: 'a', code: 'invalid' }
  expect(found({ history: [...good.history, ...by('ann', refused)] })).toEqual(['I2 doubled', 'I4 ghost'])
})

test('I3 another order, a step back, another epoch, a fact before the join, and a log with a hole are found', () => {
  expect(found({ history: [...ann, ...by('ben', joined, recv(1, 'b'), recv(2, 'a'))] })).toEqual([
    'I3 reordered',
    'I3 reordered',
  ])
  expect(found({ history: [...ann, ...by('ben', joined, recv(1, 'a'), recv(2, 'b'), recv(1, 'z'))] })).toContain(
    'I3 reordered',
  )
  expect(found({ history: [...ann, ...by('ben', joined, recv(1, 'a'), recv(2, 'b', 'e2'))] })).toContain('I3 reordered')
  expect(found({ history: [...ann, ...by('ben', recv(1, 'a'), recv(2, 'b'))] })).toContain('I3 reordered')
  expect(found({ log: [row(1, 'a'), row(3, 'b')] })).toContain('I3 reordered')
})

test('I4 a fact told and never stored, stored and never sent, or refused and stored, is found', () => {
  expect(found({ history: [...good.history, ...by('ben', recv(3, 'c'))] })).toContain('I4 ghost')
  const stranger = [...log, row(3, 'c')]
  const history = [...ann, ...by('ann', recv(3, 'c')), ...ben, ...by('ben', recv(3, 'c'))]
  expect(found({ log: stranger, history })).toEqual(['I4 ghost'])
  const refused = by('ann', invoke('c'), { kind: 'fail', operationId: 'c', code: 'forbidden' })
  expect(found({ log: stranger, history: [...history, ...refused] })).toEqual(['I4 ghost'])
})

test('I5 a fact told to somebody who had been removed by then is found', () => {
  const removal = row(2, 'r', { type: 'member:changed', userId: null, payload: { userId: 'ben', role: 'none' } })
  const shut = [row(1, 'a'), removal, row(3, 'b')]
  const history = by('ann', joined, invoke('a'), ok('a', 1), recv(1, 'a'), recv(2, 'r'), invoke('b'), ok('b', 3))
  const told = [...history, ...by('ann', recv(3, 'b'))]
  const only = [{ client: 'ann', channel }]
  const quiet = by('ben', joined, recv(1, 'a'), recv(2, 'r'))
  expect(found({ log: shut, history: [...told, ...quiet], present: only })).toEqual([])
  const leaked = [...told, ...quiet, ...by('ben', recv(3, 'b'))]
  expect(found({ log: shut, history: leaked, present: only })).toEqual(['I5 leaked'])
})

test('I6, I7, I8 a process that grows, ends or complains, and one that does not say how it is, are found', () => {
  const life = { node: 'n1', ended: undefined, wanted: false, output: '' }
  expect(found({ processes: [life, { ...life, ended: 'SIGKILL', wanted: true }] })).toEqual([])
  expect(found({ processes: [{ ...life, ended: 1 }] })).toEqual(['I7 crashed'])
  expect(found({ processes: [{ ...life, output: 'a promise was rejected and nobody listened' }] })).toEqual([
    'I7 crashed',
  ])
  const finding = { node: 'n1', expected: 'degraded', withinMs: 3000 }
  expect(found({ health: [{ ...finding, afterMs: 900 }] })).toEqual([])
  expect(found({ health: [{ ...finding, afterMs: undefined }] })).toEqual(['I8 dishonest'])
  const rss = { node: 'n1', what: 'RSS, MB', before: 90, most: 150 }
  expect(found({ footprints: [{ ...rss, after: 120 }] })).toEqual([])
  expect(found({ footprints: [{ ...rss, after: 300 }] })).toEqual(['I6 unbounded'])
})
