import { expect, test } from 'vitest'
import { z } from 'zod'
import { jsonObject } from '../../src/protocol/envelope.ts'
import { ConveneError, ERRORS, type ErrorCode, parseBody } from '../../src/protocol/errors.ts'

/** Section 9 of the protocol, written out: code, HTTP status, close code, retryable. */
const SECTION_9: [ErrorCode, number | null, number | null, boolean][] = [
  ['unauthenticated', 401, 4500, false],
  ['token_expired', 401, 4000, true],
  ['forbidden', 403, 4503, false],
  ['origin_not_allowed', 403, 4504, false],
  ['revoked', 403, 4501, false],
  ['not_found', 404, null, false],
  ['not_joined', 409, null, false],
  ['invalid', 400, 4502, false],
  ['unknown_event', 400, null, false],
  ['too_large', 413, 4509, false],
  ['operation_mismatch', 409, null, false],
  ['conflict', 409, null, false],
  ['rate_limited', 429, 4008, true],
  ['too_many', 429, 4009, true],
  ['slow_consumer', null, 4010, true],
  ['draining', 503, 4001, true],
  ['unavailable', 503, null, true],
  ['internal', 500, 4002, true],
]

test('section 9: the catalogue is the contract', () => {
  expect(Object.entries(ERRORS).map(([code, { http, close, retryable }]) => [code, http, close, retryable])).toEqual(
    SECTION_9,
  )
})

test('[ERR1] close codes 4000–4499 mean come back, 4500–4999 do not', () => {
  for (const [code, { close, retryable }] of Object.entries(ERRORS)) {
    if (close === null) continue
    expect(close, code).toBeGreaterThanOrEqual(4000)
    expect(close, code).toBeLessThan(5000)
    expect(retryable, code).toBe(close < 4500)
  }
})

test('[ERR2] an error tells its code, its words and what to do, and keeps its cause to itself', () => {
  const cause = new Error('/srv/secret.db: SQLITE_IOERR')
  const error = new ConveneError('unavailable', 'The store cannot be reached', { cause, retryAfterMs: 5 })
  expect(error.toBody()).toEqual({
    code: 'unavailable',
    message: 'The store cannot be reached',
    retryable: true,
    retryAfterMs: 5,
  })
  expect(JSON.stringify(error.toBody())).not.toContain('SQLITE')
})

test.each([
  [jsonObject, 'text', 'expected an object, got text'],
  [jsonObject, undefined, 'expected an object, got nothing'],
  [z.object({}), [], 'expected an object, got an array'],
  [z.int(), 1.5, 'expected a whole number, got a number'],
  [z.enum(['a', 'b']), 'c', 'expected one of "a"|"b"'],
  [z.int().min(0), -1, 'expected number to be >=0'],
  [z.string().regex(/^x/, 'expected an x'), 'y', 'expected an x'],
])('a wrong body is told in plain words, %#', (schema, body, message) => {
  expect(() => parseBody(schema, body, 'body')).toThrow(
    expect.objectContaining({ code: 'invalid', message: `body: ${message}`, details: [{ path: '', message }] }),
  )
})
