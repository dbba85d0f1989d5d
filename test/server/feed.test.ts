import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { Feed } from '../../src/server/channels/feed.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
import type { Store } from '../../src/server/store/store.ts'
import { cleanup } from '../support/cleanup.ts'

const channel = 'project:p1'

/** A feed over a real store that has so many facts, and what it let through. */
async function feedOver(facts: number) {
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention: { facts: 10, days: 0 } })
  cleanup(() => store.close())
  for (let i = 0; i < facts; i++) {
    await store.append({ channel, type: 'a:b', operationId: `op-${i}`, user: null, payload: { i }, timestamp: 1 })
  }
  const log = await store.read(channel, { limit: 1000 })
  const passed: number[] = []
  const renewals: number[] = []
  const waiting: (() => void)[] = []
  const feed = new Feed(store, channel, {
    next({ seq }) {
      passed.push(seq)
      for (const wake of waiting.splice(0)) wake()
    },
    renewed() {
      renewals.push(feed.position)
      for (const wake of waiting.splice(0)) wake()
    },
    failed(error) {
      throw error
    },
  })
  cleanup(() => feed.stop())
  const until = async (count: number) => {
    while (passed.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return {
    store,
    feed,
    epoch: (log[0] as Envelope).epoch,
    passed,
    renewals,
    until,
    fact: (seq: number) => log[seq - 1] as Envelope,
  }
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

describe('[SEQ4] the feed', () => {
  test('passes facts in the order of their seq, each once, in whatever order they come', async () => {
    const { feed, passed, fact, epoch } = await feedOver(6)
    feed.start({ epoch, head: 0 })
    for (const seq of [2, 1, 1, 3, 5, 6, 3, 4, 6]) feed.offer(fact(seq))
    expect(passed).toEqual(upTo(6))
  })

  test('fills a hole that stays from the store', async () => {
    const { feed, passed, fact, until, epoch } = await feedOver(700)
    feed.start({ epoch, head: 0 })
    feed.offer(fact(1))
    feed.offer(fact(700))
    expect(passed).toEqual([1])
    await until(700)
    expect(passed).toEqual(upTo(700))
  })

  test('keeps what comes before it knows where it starts', async () => {
    const { feed, passed, fact, epoch } = await feedOver(5)
    for (const seq of [3, 4, 2]) feed.offer(fact(seq))
    feed.start({ epoch, head: 2 })
    expect(passed).toEqual([3, 4])
    feed.offer(fact(5))
    expect(passed).toEqual([3, 4, 5])
  })

  test('reaches a head that nobody told it of', async () => {
    const { feed, passed, epoch } = await feedOver(650)
    feed.start({ epoch, head: 10 })
    await Promise.all([feed.reach(650), feed.reach(20), feed.reach(5)])
    expect(passed).toEqual(upTo(650).slice(10))
  })

  test('skips what the log does not hold any more', async () => {
    const { store, feed, passed, epoch } = await feedOver(50)
    await store.trim()
    feed.start({ epoch, head: 5 })
    await feed.reach(50)
    expect(passed).toEqual(upTo(50).slice(40))
  })

  test('does nothing any more when it has stopped', async () => {
    const { feed, passed, fact, epoch } = await feedOver(5)
    feed.start({ epoch, head: 0 })
    feed.stop()
    for (const seq of [1, 2, 3]) feed.offer(fact(seq))
    await feed.reach(5)
    expect(passed).toEqual([])
  })

  test('is not made deaf by a fact that is not in the store, however far ahead', async () => {
    const { feed, passed, fact, until, epoch } = await feedOver(5)
    feed.start({ epoch, head: 0 })
    feed.offer({ ...fact(5), seq: 1_000_000_000 })
    // The store is asked, and has five.
    await until(5)
    await feed.reach(1_000_000_000)
    expect(feed.position).toBe(5)
    feed.offer({ ...fact(5), seq: 6, operationId: 'op-6' })
    expect(passed).toEqual(upTo(6))
  })

  test('does not take facts of another log', async () => {
    const { feed, passed, fact, renewals, epoch } = await feedOver(3)
    feed.offer({ ...fact(1), epoch: 'another' })
    feed.start({ epoch, head: 0 })
    feed.offer({ ...fact(1), epoch: 'another' })
    await feed.reach(3)
    expect(passed).toEqual(upTo(3))
    expect(renewals).toEqual([])
  })

  test('that is told a farther head reads what is missing; of one that it has passed meanwhile it does nothing', async () => {
    const { feed, passed, until, renewals, epoch } = await feedOver(8)
    feed.start({ epoch, head: 2 })
    feed.compare({ epoch, head: 8 }, { epoch, position: 2 })
    await until(6)
    feed.compare({ epoch, head: 5 }, { epoch, position: 5 })
    expect(passed).toEqual(upTo(8).slice(2))
    expect(renewals).toEqual([])
  })

  test.each([
    ['[SEQ5] another epoch', { epoch: 'another', head: 9 }, 9],
    ['a shorter log', { head: 1 }, 1],
    ['a log that is gone', undefined, 0],
  ])('starts over at %s, and says so', async (_what, log, position) => {
    const { feed, passed, renewals, epoch } = await feedOver(3)
    feed.start({ epoch, head: 3 })
    feed.compare(log && { epoch, ...log }, { epoch, position: 3 })
    expect(renewals).toEqual([position])
    expect(feed.position).toBe(position)
    expect(passed).toEqual([])
  })

  test('[SEQ5] that hears of another epoch asks the store', async () => {
    const { store, feed, fact, until, passed, epoch } = await feedOver(3)
    feed.start({ epoch: 'of-before', head: 40 })
    feed.offer(fact(3))
    while (feed.position !== 3) await new Promise((resolve) => setTimeout(resolve, 5))
    await store.append({ channel, type: 'a:b', operationId: 'op-new', user: null, payload: {} })
    feed.compare({ epoch, head: 4 }, { epoch, position: 3 })
    await until(1)
    expect(passed).toEqual([4])
  })

  test('begins with a log that nobody had begun', async () => {
    const { feed, passed, fact, renewals, epoch } = await feedOver(2)
    feed.start(undefined)
    feed.compare(undefined, { epoch: undefined, position: 0 })
    feed.offer(fact(1))
    feed.compare({ epoch, head: 2 }, { epoch, position: 0 })
    feed.offer(fact(2))
    expect(passed).toEqual([1, 2])
    expect(renewals).toEqual([])
  })

  test('[SEQ5] does not take what the store said of the log before this one', async () => {
    const { feed, passed, fact, renewals, epoch } = await feedOver(2)
    feed.start(undefined)
    const asked = feed.place
    feed.offer(fact(1))
    // Asked before somebody began the log, answered after.
    feed.compare(undefined, asked)
    feed.offer(fact(2))
    expect(passed).toEqual([1, 2])
    expect(renewals).toEqual([])
    expect(feed.place).toEqual({ epoch, position: 2 })
  })

  test('does not skip a fact that is stored between its two questions', async () => {
    const { store, fact, epoch } = await feedOver(10)
    const passed: number[] = []
    // The tenth is stored when the ninth was looked for in vain.
    let stored = 8
    const growing = {
      async heads() {
        stored = 9
        return new Map([[channel, { epoch, head: stored }]])
      },
      async read(address: string, { after, before, limit }: Parameters<Store['read']>[1]) {
        return store.read(address, { after, before: Math.min(before ?? Infinity, stored + 1), limit })
      },
    }
    const feed = new Feed(growing, channel, { next: ({ seq }) => void passed.push(seq), renewed() {}, failed() {} })
    cleanup(() => feed.stop())
    feed.start({ epoch, head: 8 })
    feed.offer(fact(10))
    while (feed.position < 9) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(passed).toContain(9)
  })
})
