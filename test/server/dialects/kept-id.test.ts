import { expect, test } from 'vitest'
import { operationId } from '../../../src/protocol/envelope.ts'
import { givenId, keptId, toldId } from '../../../src/server/dialects/kept-id.ts'

const body = { who: 'ann', type: 'TASK_UPDATE', channel: 'project:p1', payload: { id: 't1' } }

test('[D5] the same id with the same body is kept as the same, and with another as another', () => {
  expect(keptId('ws', 'op-1', body)).toBe(keptId('ws', 'op-1', structuredClone(body)))
  const all = [
    keptId('ws', 'op-1', body),
    keptId('http', 'op-1', body),
    keptId('ws', 'op-2', body),
    ...Object.keys(body).map((name) => keptId('ws', 'op-1', { ...body, [name]: 'other' })),
    keptId('ws', undefined, body),
    keptId('ws', undefined, body),
  ]
  expect(new Set(all).size).toBe(all.length)
})

test('[D5] whatever is given, what is kept is an operationId, and the given one is told again', () => {
  for (const given of ['op-789', 'a', 'x~ws.0123456789abcdef', '~', 'é — 漢字', '1703123456789', ' ']) {
    for (const origin of ['ws', 'http'] as const) {
      const kept = keptId(origin, given, body)
      expect(operationId.safeParse(kept).success, given).toBe(true)
      expect(givenId(kept)).toEqual({ origin, given })
    }
  }
  for (const given of ['x'.repeat(5000), '😀'.repeat(100), 'a\ud800b\u0000c', '\u0000', '']) {
    const kept = keptId('http', given, body)
    expect(operationId.safeParse(kept).success, JSON.stringify(given)).toBe(true)
    expect(givenId(kept).origin).toBe('http')
    expect(given.includes(givenId(kept).given?.[0] ?? '')).toBe(true)
  }
})

test('[D5] ids that are too long to be kept whole are still told apart', () => {
  const long = 'x'.repeat(200)
  expect(keptId('ws', `${long}1`, body)).not.toBe(keptId('ws', `${long}2`, body))
})

test('the id of anybody else is told as it is; what came over HTTP without one has the time as its id', () => {
  const timestamp = 1_703_123_456_789
  for (const operationId of ['op-1', 'f3b8e0c2', 'a~ws.short', 'a~tcp.0123456789abcdef', '~']) {
    expect(givenId(operationId)).toEqual({ given: operationId })
    expect(toldId({ operationId, timestamp })).toBe(operationId)
  }
  expect(toldId({ operationId: keptId('http', 'op-1', body), timestamp })).toBe('op-1')
  expect(toldId({ operationId: keptId('http', undefined, body), timestamp })).toBe(`broadcast-${timestamp}`)
  expect(toldId({ operationId: keptId('ws', undefined, body), timestamp })).toBeUndefined()
})
