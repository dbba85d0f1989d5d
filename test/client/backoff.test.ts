// How long a client waits before it tries again.
import { expect, test } from 'vitest'
import { Backoff } from '../../src/client/backoff.ts'

/** Many draws of each try. */
function draws(tries: number): number[][] {
  const drawn = Array.from({ length: tries }, (): number[] => [])
  for (let round = 0; round < 500; round++) {
    const backoff = new Backoff()
    for (const ofTry of drawn) ofTry.push(backoff.next())
  }
  return drawn
}

test('anything up to 0.5 s at first, up to twice as much each time, up to 30 s', () => {
  const ceilings = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]
  const drawn = draws(ceilings.length)
  ceilings.forEach((ceiling, i) => {
    const [least, most] = [Math.min(...(drawn[i] ?? [])), Math.max(...(drawn[i] ?? []))]
    expect(least).toBeGreaterThanOrEqual(0)
    expect(least).toBeLessThan(ceiling * 0.1)
    expect(most).toBeLessThanOrEqual(ceiling)
    expect(most).toBeGreaterThan(ceiling * 0.9)
  })
})

test('for ever, and from the beginning after a success', () => {
  const backoff = new Backoff()
  for (let i = 0; i < 2000; i++) expect(backoff.next()).toBeLessThanOrEqual(30_000)
  backoff.reset()
  expect(backoff.next()).toBeLessThanOrEqual(500)
})
