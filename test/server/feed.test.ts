import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { Feed } from '../../src/server/channels/feed.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
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
  const waiting: (() => void)[] = []
  const feed = new Feed(
    store,
    channel,
    ({ seq }) => {
      passed.push(seq)
      for (const wake of waiting.splice(0)) wake()
    },
    (error) => {
      throw error
    },
  )
  cleanup(() => feed.stop())
  const until = async (count: number) => {
    while (passed.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
  }
  return { store, feed, passed, until, fact: (seq: number) => log[seq - 1] as Envelope }
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

describe('[SEQ4] the feed', () => {
  test('passes facts in the order of their seq, each once, in whatever order they come', async () => {
    const { feed, passed, fact } = await feedOver(6)
    feed.start(0)
    for (const seq of [2, 1, 1, 3, 5, 6, 3, 4, 6]) feed.offer(fact(seq))
    expect(passed).toEqual(upTo(6))
  })

  test('fills a hole that stays from the store', async () => {
    const { feed, passed, fact, until } = await feedOver(700)
    feed.start(0)
    feed.offer(fact(1))
    feed.offer(fact(700))
    expect(passed).toEqual([1])
    await until(700)
    expect(passed).toEqual(upTo(700))
  })

  test('keeps what comes before it knows where it starts', async () => {
    const { feed, passed, fact } = await feedOver(5)
    for (const seq of [3, 4, 2]) feed.offer(fact(seq))
    feed.start(2)
    expect(passed).toEqual([3, 4])
    feed.offer(fact(5))
    expect(passed).toEqual([3, 4, 5])
  })

  test('reaches a head that nobody told it of', async () => {
    const { feed, passed } = await feedOver(650)
    feed.start(10)
    await Promise.all([feed.reach(650), feed.reach(20), feed.reach(5)])
    expect(passed).toEqual(upTo(650).slice(10))
  })

  test('skips what the log does not hold any more', async () => {
    const { store, feed, passed } = await feedOver(50)
    await store.trim()
    feed.start(5)
    await feed.reach(50)
    expect(passed).toEqual(upTo(50).slice(40))
  })

  test('does nothing any more when it has stopped', async () => {
    const { feed, passed, fact } = await feedOver(5)
    feed.start(0)
    feed.stop()
    for (const seq of [1, 2, 3]) feed.offer(fact(seq))
    await feed.reach(5)
    expect(passed).toEqual([])
  })
})
