// How long a client waits before it tries again.
import { expect, test } from 'vitest'
import { Backoff } from '../../src/client/backoff.ts'

/** The longest of many draws of each try. */
function longest(tries: number): number[] {
  const most = Array.from({ length: tries }, () => 0)
  for (let round = 0; round < 500; round++) {
    const backoff = new Backoff()
    for (let i = 0; i < tries; i++) most[i] = Math.max(most[i] ?? 0, backoff.next())
  }
  return most
}

test('anything up to 0.5 s at first, up to twice as much each time, up to 30 s', () => {
  const ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
  const most = longest(ceilings.length)
  ceilings.forEach((ceiling, i) => {
    expect(most[i]).toBeLessThanOrEqual(ceiling)
    expect(most[i]).toBeGreaterThan(ceiling * 0.9)
  })
})

test('for ever, and from the beginning after a success', () => {
  const backoff = new Backoff()
  for (let i = 0; i < 2000; i++) expect(backoff.next()).toBeLessThanOrEqual(30_000)
  backoff.reset()
  expect(backoff.next()).toBeLessThanOrEqual(500)
})
