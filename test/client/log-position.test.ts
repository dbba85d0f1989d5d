// The position of a client in a log: never beyond what it has not been told.
import { expect, test } from 'vitest'
import { LogPosition } from '../../src/client/log-position.ts'

const at = (seq: number, epoch = 'e1') => ({ epoch, seq })

function started(seq: number): LogPosition {
  const log = new LogPosition()
  log.start(at(seq))
  return log
}

test("one's own reply that comes early does not skip the facts before it", () => {
  const log = started(4)
  expect(log.know(at(7))).toBe(true)
  expect(log.position).toEqual(at(4))
  log.know(at(5))
  expect(log.position).toEqual(at(5))
  log.know(at(6))
  expect(log.position).toEqual(at(7))
})

test('what is known already is a repeat', () => {
  const log = started(4)
  const known = [6, 6, 4, 5, 5, 6].map((seq) => log.know(at(seq)))
  expect(known).toEqual([true, false, false, true, false, false])
  expect(log.position).toEqual(at(6))
})

test('another epoch is another log', () => {
  const log = started(4)
  expect(log.know(at(5, 'e2'))).toBe(false)
  expect(log.position).toEqual(at(4))
  log.know(at(6))
  log.start(at(0, 'e2'))
  expect([1, 6].map((seq) => log.know(at(seq, 'e2')))).toEqual([true, true])
  expect(log.position).toEqual(at(1, 'e2'))
})

test('before the first join there is none', () => {
  const log = new LogPosition()
  expect(log.know(at(1))).toBe(false)
  expect(log.position).toBeUndefined()
  log.start(at(3))
  log.forget()
  expect(log.position).toBeUndefined()
})
