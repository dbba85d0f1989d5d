import { expect } from 'vitest'
import type { Outcome } from './run-fault.ts'

/** Expects that every promise was kept, in a run that had something to keep. */
export function expectKept({ fault, seed, violations, acknowledged, recoveryMs }: Outcome): void {
  expect(violations, `${fault.id} ${fault.title}, seed ${seed}`).toEqual([])
  expect(acknowledged).toBeGreaterThan(50)
  expect(recoveryMs).toBeDefined()
}
