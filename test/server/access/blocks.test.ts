import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Blocks } from '../../../src/server/access/blocks.ts'
import { openSqliteStore } from '../../../src/server/store/sqlite.ts'
import type { Store } from '../../../src/server/store/store.ts'
import { cleanup } from '../../support/cleanup.ts'
import { oneInstance } from '../../support/one-instance.ts'
import { until } from '../../support/until.ts'

async function openStore(): Promise<Store> {
  const retention = { facts: 10_000, days: 7 }
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention })
  cleanup(() => store.close())
  return store
}

// Over the store as it is, readings without end would stop the whole process, and this test with it.
test('[MSG1] two who block the same person at once are both answered, and both count', { timeout: 5000 }, async () => {
  const store = await openStore()
  const later = new Proxy(store, {
    get: (_, name) => {
      if (name !== 'records') return (store[name as keyof Store] as (...args: unknown[]) => unknown).bind(store)
      return async (stretch: Parameters<Store['records']>[0]) => {
        await turn()
        return store.records(stretch)
      }
    },
  })
  const session = { userId: 'ben', blockedBy: new Set<string>() as ReadonlySet<string>, reset() {} }
  const blocks = new Blocks(later, oneInstance(store).control, () => [session])
  await Promise.all([blocks.block('ann', 'ben'), blocks.block('cyd', 'ben'), blocks.load(session)])
  expect([...session.blockedBy].sort()).toEqual(['ann', 'cyd'])
})

test('[MSG1] a reading of blocks that comes late does not take back a newer one', async () => {
  const retention = { facts: 100, days: 7 }
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention })
  cleanup(() => store.close())
  const late: (() => void)[] = []
  let isLate = true
  const records = async (stretch: Parameters<Store['records']>[0]) => {
    const found = await store.records(stretch)
    if (isLate) await new Promise<void>((resolve) => late.push(resolve))
    return found
  }
  const slow = Object.assign(Object.create(store) as Store, { records, change: store.change.bind(store) })
  const told: string[][] = []
  const session = {
    userId: 'ben',
    reset() {},
    get blockedBy(): ReadonlySet<string> {
      return new Set(told.at(-1))
    },
    set blockedBy(blockers) {
      told.push([...blockers])
    },
  }
  const blocks = new Blocks(slow, oneInstance(store).control, () => [session])
  const first = blocks.load(session)
  await until('the blocks were read', () => late.length === 1)
  isLate = false
  await blocks.block('ann', 'ben')
  for (const answer of late) answer()
  await first
  expect(told.filter((blockers) => blockers.join() !== 'ann')).toEqual([])
  expect(told.length).toBeGreaterThan(0)
})
