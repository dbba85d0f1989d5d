import { describe, expect, test } from 'vitest'
import type { FactDraft, Store } from '../../src/server/store/store.ts'
import { recordsContract } from './store-records.ts'

export interface StoreUnderTest {
  readonly store: Store
  /** Closes it and opens what it kept again. */
  reopen(): Promise<Store>
}

/** What a store under test keeps at least; `days: 0` makes everything old at once. */
export interface Kept {
  readonly facts: number
  readonly days: number
}

const channel = 'project:p1'

function draft(more: Partial<FactDraft> = {}): FactDraft {
  return { channel, type: 'task:update', operationId: crypto.randomUUID(), user: { id: 'ann' }, payload: {}, ...more }
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

/** What every store promises, whatever it is made of. */
export function storeContract(name: string, open: (kept?: Kept) => Promise<StoreUnderTest>): void {
  describe(`the store contract: ${name}`, () => {
    test('[SEQ1] seq starts at 1 and grows by exactly 1 in each channel, however many append at once', async () => {
      const { store } = await open()
      const channels = ['project:a', 'project:b', 'room:c']
      const stored = await Promise.all(
        Array.from({ length: 1500 }, async (_, i) => {
          const at = channels[i % 3] as string
          return { at, i, ...(await store.append(draft({ channel: at, payload: { i } }))) }
        }),
      )
      for (const at of channels) {
        const here = stored.filter((fact) => fact.at === at)
        // In the order of the calls, too.
        expect(here.map(({ seq }) => seq)).toEqual(upTo(500))
        expect(await store.head(at)).toBe(500)
        const log = await store.read(at, { after: 0, limit: 1000 })
        expect(log.map(({ seq, payload }) => [seq, payload.i])).toEqual(here.map(({ seq, i }) => [seq, i]))
      }
    })

    test('a read sees every append called before it', async () => {
      const { store } = await open()
      const appended = store.append(draft())
      expect(await store.head(channel)).toBe(1)
      void store.append(draft())
      expect((await store.read(channel, { after: 0, limit: 10 })).map(({ seq }) => seq)).toEqual([1, 2])
      void store.append(draft())
      expect(await store.open(channel)).toMatchObject({ head: 3 })
      await appended
    })

    test('[SEQ2] what was acknowledged is there after opening again, to the letter', async () => {
      const { store, reopen } = await open()
      const payload = {
        text: 'é😀\u2028\u0000"\\',
        lone: '\ud800',
        n: 0.1,
        big: 2 ** 53,
        list: [null, {}, []],
        '': { ' ': 1 },
      }
      const user = { id: "a'; drop table events;--", name: 'Ann', image: 'https://x/i.png' }
      const fact = draft({ payload, user, operationId: "o'p?1", timestamp: 1_700_000_000_123 })
      const stored = await store.append(fact)
      await store.append(draft({ user: null }))
      const again = await reopen()
      const [first, second] = await again.read(channel, { after: 0, limit: 10 })
      expect(first).toEqual({
        type: fact.type,
        channel,
        epoch: stored.epoch,
        seq: 1,
        operationId: fact.operationId,
        user,
        payload,
        timestamp: 1_700_000_000_123,
      })
      expect(second?.user).toBeNull()
      expect(await again.append(draft())).toMatchObject({ seq: 3, epoch: stored.epoch })
    })

    test('[OP1] an operation is stored once: in one batch, later, and after opening again', async () => {
      const { store, reopen } = await open()
      const fact = draft({ operationId: 'op', payload: { a: 1, b: 2 } })
      const together = await Promise.all([store.append(fact), store.append(fact), store.append(fact)])
      expect(together.map(({ seq, duplicate }) => [seq, duplicate])).toEqual([
        [1, false],
        [1, true],
        [1, true],
      ])
      expect(await store.append({ ...fact, payload: { b: 2, a: 1 } })).toEqual({ ...together[0], duplicate: true })
      // Somebody's newer name is not another identity.
      expect(await store.append({ ...fact, user: { id: 'ann', name: 'Ann' } })).toMatchObject({ duplicate: true })
      const again = await reopen()
      expect(await again.append(fact)).toEqual({ ...together[0], duplicate: true })
      expect(await again.head(channel)).toBe(1)
      expect(await again.append({ ...fact, channel: 'project:p2' })).toMatchObject({ seq: 1, duplicate: false })
    })

    test('[OP2] another content, type or author is operation_mismatch, and fails no neighbour', async () => {
      const { store } = await open()
      const fact = draft({ operationId: 'op', payload: { a: 1 } })
      await store.append(fact)
      const others = [
        { payload: { a: 2 } },
        { payload: {} },
        { type: 'task:create' },
        { user: { id: 'ben' } },
        { user: null },
      ]
      const outcomes = await Promise.allSettled(
        others.flatMap((other) => [store.append({ ...fact, ...other }), store.append(draft())]),
      )
      for (const [i, outcome] of outcomes.entries()) {
        if (i % 2) expect(outcome).toMatchObject({ status: 'fulfilled', value: { seq: 2 + (i - 1) / 2 } })
        else expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'operation_mismatch' } })
      }
    })

    test('[JOIN3] a log that nothing was written to has an epoch, which the first fact keeps', async () => {
      const { store } = await open()
      expect(await store.head(channel)).toBe(0)
      const [one, two] = await Promise.all([store.open(channel), store.open(channel)])
      expect(one).toEqual({ epoch: expect.stringMatching(/^[0-9a-f]{16}$/), head: 0, floor: 1 })
      expect(two).toEqual(one)
      expect(await store.append(draft())).toMatchObject({ epoch: one.epoch, seq: 1 })
      expect((await store.open('project:p2')).epoch).not.toBe(one.epoch)
    })

    test('a stretch of a log is read from either end', async () => {
      const { store } = await open()
      await Promise.all(Array.from({ length: 10 }, () => store.append(draft())))
      const read = async (stretch: object) =>
        (await store.read(channel, { limit: 100, ...stretch })).map(({ seq }) => seq)
      expect(await read({})).toEqual(upTo(10))
      expect(await read({ after: 7 })).toEqual([8, 9, 10])
      expect(await read({ after: 2, limit: 3 })).toEqual([3, 4, 5])
      expect(await read({ before: 4 })).toEqual([1, 2, 3])
      expect(await read({ before: 8, limit: 2, newest: true })).toEqual([6, 7])
      expect(await read({ after: 3, before: 6 })).toEqual([4, 5])
      expect(await store.read('project:none', { limit: 10 })).toEqual([])
    })

    test('[LIFE4] of a stretch only so much is read as may be told, from either end, and at least one', async () => {
      const { store } = await open()
      const text = 'é'.repeat(500)
      await Promise.all(Array.from({ length: 400 }, () => store.append(draft({ payload: { text } }))))
      const read = async (stretch: object) =>
        (await store.read(channel, { limit: 1000, ...stretch })).map(({ seq }) => seq)
      // Between 1,000 and 1,500 bytes each.
      const some = await read({ maxBytes: 100_000 })
      expect(some).toEqual(upTo(some.length))
      expect(some.length).toBeGreaterThan(66)
      expect(some.length).toBeLessThan(100)
      expect(await read({ maxBytes: 100_000, newest: true })).toEqual(upTo(400).slice(-some.length))
      expect(await read({ maxBytes: 1 })).toEqual([1])
      expect(await read({ maxBytes: 1, newest: true })).toEqual([400])
      // Through several pages.
      expect(await read({ maxBytes: 10_000_000 })).toEqual(upTo(400))
      expect(await read({ maxBytes: 10_000_000, newest: true, limit: 333, before: 390 })).toEqual(upTo(389).slice(-333))
      expect(await read({ maxBytes: 10_000_000, after: 7, limit: 51 })).toEqual(upTo(58).slice(7))
    })

    test('[SEQ6] trimming keeps the number and the days, whichever is more, and moves the floor', async () => {
      const byNumber = await open({ facts: 10, days: 0 })
      await Promise.all(
        Array.from({ length: 1234 }, () => byNumber.store.append(draft({ timestamp: Date.now() - 1000 }))),
      )
      await byNumber.store.append(draft({ channel: 'project:short', timestamp: 1 }))
      expect(await byNumber.store.trim()).toBe(1224)
      expect(await byNumber.store.open(channel)).toMatchObject({ head: 1234, floor: 1225 })
      expect((await byNumber.store.read(channel, { limit: 100 })).map(({ seq }) => seq)).toEqual(upTo(1234).slice(1224))
      expect(await byNumber.store.open('project:short')).toMatchObject({ head: 1, floor: 1 })
      expect(await byNumber.store.trim()).toBe(0)
      expect(await byNumber.store.append(draft())).toMatchObject({ seq: 1235 })

      const byDays = await open({ facts: 2, days: 7 })
      const old = Date.now() - 8 * 86_400_000
      for (const timestamp of [old, old, Date.now(), old, Date.now(), Date.now()])
        await byDays.store.append(draft({ timestamp }))
      expect(await byDays.store.trim()).toBe(2)
      expect(await byDays.store.open(channel)).toMatchObject({ head: 6, floor: 3 })
    })

    test('[OP1] an operationId is kept as long as its fact', async () => {
      const { store } = await open({ facts: 1, days: 0 })
      const fact = draft({ operationId: 'op', timestamp: 1 })
      await store.append(fact)
      await store.append(draft({ timestamp: 1 }))
      expect(await store.append(fact)).toMatchObject({ seq: 1, duplicate: true })
      await store.trim()
      expect(await store.append(fact)).toMatchObject({ seq: 3, duplicate: false })
    })

    recordsContract(open)

    test('it answers a ping', async () => {
      const { store } = await open()
      await store.ping()
    })
  })
}
