import { expect, test } from 'vitest'
import { ConveneError } from '../../src/protocol/errors.ts'
import type { Decided, KeptRecord, RecordWrite, Rule } from '../../src/server/store/record.ts'
import { COUNTED_AMONG } from '../../src/server/store/records.ts'
import type { FactDraft } from '../../src/server/store/store.ts'
import type { Kept, StoreUnderTest } from './store.ts'

const channel = 'project:p1'
const kind = 'counter'

function key(id: string, scope = channel) {
  return { scope, kind, id }
}

function record(id: string, more: Partial<KeptRecord> = {}): KeptRecord {
  return { ...key(id), seq: 1, owner: null, deleted: false, data: {}, ...more }
}

/** A rule that adds one to a counter, and tells what it was and is. */
function counts(id: string, fails: (count: number) => boolean = () => false): Rule {
  return {
    reads: [key(id)],
    decide(read, { seq, epoch, timestamp }): Decided {
      const count = ((read(key(id))?.data.count as number | undefined) ?? 0) + 1
      if (fails(count)) throw new ConveneError('conflict', `not ${count}`)
      const data = { count, timestamp }
      return { payload: { count, epoch }, writes: [record(id, { seq, data })], result: { count } }
    },
  }
}

function draft(more: Partial<FactDraft> = {}): FactDraft {
  return { channel, type: 'a:b', operationId: crypto.randomUUID(), user: { id: 'ann' }, payload: {}, ...more }
}

/** What every store promises of records and of rules. */
export function recordsContract(open: (kept?: Kept) => Promise<StoreUnderTest>): void {
  test('[DOC1] a rule sees what the facts before it wrote, in the order of seq, however many come at once', async () => {
    const { store, reopen } = await open()
    const stored = await Promise.all(
      Array.from({ length: 1200 }, (_, i) => store.append(draft({ rule: counts(`c${i % 3}`) }))),
    )
    stored.forEach(({ seq, payload, result }, i) => {
      const count = Math.floor(i / 3) + 1
      expect([seq, payload.count, result?.count]).toEqual([i + 1, count, count])
    })
    const again = await reopen()
    for (const [i, id] of ['c0', 'c1', 'c2'].entries()) {
      expect(await again.record(key(id))).toMatchObject({ seq: 1198 + i, data: { count: 400 } })
    }
    const log = await again.read(channel, { after: 1197, limit: 10 })
    expect(log.map(({ payload }) => payload.count)).toEqual([400, 400, 400])
    expect(log[0]?.payload.epoch).toBe(log[0]?.epoch)
  })

  test('what a rule refuses leaves nothing behind, and does not touch its neighbours', async () => {
    const { store } = await open()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => store.append(draft({ rule: counts('c', () => i % 3 === 1) }))),
    )
    const places = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.seq : outcome.reason.code))
    expect(places).toEqual([1, 'conflict', 2, 3, 'conflict', 4, 5, 'conflict', 6])
    expect(await store.record(key('c'))).toMatchObject({ data: { count: 6 } })
    expect(await store.head(channel)).toBe(6)
  })

  test('a fact that is withdrawn keeps its place and loses its words, in the same batch as well', async () => {
    const { store, reopen } = await open()
    const payload = { text: 'secret', n: 0.1, other: 'é😀' }
    const taking = (seqs: number[]): Rule => ({
      reads: [],
      decide: () => ({ payload: {}, writes: [], withdraws: { field: 'text', seqs } }),
    })
    const first = draft({ payload, operationId: 'op', rule: { reads: [], decide: () => ({ payload, writes: [] }) } })
    await store.append(first)
    await Promise.all([store.append(draft({ payload })), store.append(draft({ rule: taking([1, 2]) }))])
    await store.append(draft({ payload }))
    await store.append(draft({ channel: 'project:p2', payload }))
    const again = await reopen()
    const texts = (await again.read(channel, { limit: 10 })).map((fact) => fact.payload)
    expect(texts).toEqual([{ ...payload, text: '' }, { ...payload, text: '' }, {}, payload])
    expect((await again.read('project:p2', { limit: 10 }))[0]?.payload).toEqual(payload)
    // Said again, it is still the same operation.
    expect(await again.append(first)).toMatchObject({ seq: 1, duplicate: true })
  })

  test('a rule that breaks fails its own fact only', async () => {
    const { store } = await open()
    const broken: Rule = {
      reads: [],
      decide: (read) => {
        read(key('unnamed'))
        return { payload: {}, writes: [] }
      },
    }
    const [first, second, third] = await Promise.allSettled([
      store.append(draft()),
      store.append(draft({ rule: broken })),
      store.append(draft()),
    ])
    expect([first?.status, second?.status, third?.status]).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(second).toMatchObject({ reason: { message: expect.stringContaining('did not name') } })
    expect(await store.head(channel)).toBe(2)
  })

  test('[OP1] [OP2] what was asked makes an operation the same, and its first answer is given again', async () => {
    const { store, reopen } = await open()
    const asked = { operationId: 'op', payload: { x: { b: 2, a: 1 } }, baseVersion: 3, rule: counts('c') }
    const first = await store.append(draft(asked))
    expect(first).toMatchObject({ duplicate: false, payload: { count: 1 }, result: { count: 1 } })
    const repeat = draft({ ...asked, payload: { x: { a: 1, b: 2 } } })
    // In one batch with others, in a later one, and after opening again.
    const [, inBatch] = await Promise.all([store.append(draft({ rule: counts('c') })), store.append(repeat)])
    const again = await (await reopen()).append(repeat)
    for (const answer of [inBatch, again]) expect(answer).toEqual({ ...first, duplicate: true })
  })

  test('[OP2] another payload, version or author is another operation', async () => {
    const { store } = await open()
    const asked = { operationId: 'op', payload: { x: 1 }, baseVersion: 3, rule: counts('c') }
    const others = [{ payload: { x: 2 } }, { baseVersion: 4 }, { baseVersion: undefined }, { user: { id: 'ben' } }]
    // The first is in the same batch as one of the others.
    const [first, ...rest] = await Promise.allSettled([
      store.append(draft(asked)),
      store.append(draft({ ...asked, payload: { x: 0 } })),
      ...others.map((other) => store.append(draft({ ...asked, ...other }))),
    ])
    expect(first).toMatchObject({ status: 'fulfilled' })
    for (const one of rest) expect(one).toMatchObject({ reason: { code: 'operation_mismatch' } })
    expect(await store.record(key('c'))).toMatchObject({ data: { count: 1 } })
  })

  test('records are kept to the letter, over opening again', async () => {
    const { store, reopen } = await open()
    const odd = record("o'd; drop table records;--", {
      owner: 'ünï 😀',
      seq: 2 ** 40,
      deleted: true,
      data: { n: 0.1, text: 'é\u2028\u0000"\\', list: [null, {}], ['__proto__']: 1 },
    })
    await store.change({ reads: [], decide: () => ({ writes: [odd, record('gone')], result: undefined }) })
    await store.change({ reads: [], decide: () => ({ writes: [{ ...key('gone'), data: null }], result: undefined }) })
    const again = await reopen()
    expect(await again.record(odd)).toEqual(odd)
    expect(await again.record(key('gone'))).toBeUndefined()
    expect(await again.record(key(odd.id, 'project:p2'))).toBeUndefined()
    expect(await again.record({ ...odd, kind: 'other' })).toBeUndefined()
  })

  test('a change reads what it writes upon, each after the other', async () => {
    const { store } = await open()
    const results = await Promise.all(
      Array.from({ length: 700 }, () =>
        store.change({
          reads: [key('c')],
          decide(read) {
            const count = ((read(key('c'))?.data.count as number | undefined) ?? 0) + 1
            return { writes: [record('c', { data: { count } })], result: count }
          },
        }),
      ),
    )
    expect(results).toEqual(Array.from({ length: 700 }, (_, i) => i + 1))
    const refused = store.change({
      reads: [],
      decide(): { writes: RecordWrite[]; result: undefined } {
        throw new ConveneError('invalid', 'no')
      },
    })
    await expect(refused).rejects.toMatchObject({ code: 'invalid' })
  })

  test('records are listed by their place from either end, without those of some owners, and counted', async () => {
    const { store } = await open()
    const owners = ['ann', 'ben', null]
    const writes = Array.from({ length: 30 }, (_, i) =>
      record(`r${i}`, { seq: i + 1, owner: owners[i % 3] as string | null, deleted: i === 20 }),
    )
    const elsewhere = [record('x', { scope: 'project:p2' }), { ...record('y'), kind: 'other' }]
    await store.change({ reads: [], decide: () => ({ writes: [...writes.toReversed(), ...elsewhere], result: 0 }) })
    const seqs = async (more: object) => {
      return (await store.records({ scope: channel, kind, ...more })).map(({ seq }) => seq)
    }
    expect(await seqs({})).toEqual(Array.from({ length: 30 }, (_, i) => i + 1))
    expect(await seqs({ newest: true, limit: 3 })).toEqual([30, 29, 28])
    expect(await seqs({ newest: true, limit: 3, before: 10 })).toEqual([9, 8, 7])
    expect(await seqs({ newest: true, limit: 4, exceptOwners: ['ann'] })).toEqual([30, 29, 27, 26])
    expect(await seqs({ limit: 2, exceptOwners: ['ann', 'ben'] })).toEqual([3, 6])
    const count = (more: object) => store.count({ scope: channel, kind, after: 0, upTo: 1000, limit: 1000, ...more })
    expect(await count({})).toBe(29)
    expect(await count({ after: 10, upTo: 20 })).toBe(10)
    expect(await count({ exceptOwners: ['ann', 'ben'] })).toBe(9)
    expect(await count({ limit: 7 })).toBe(7)
  })

  test('records are found by their id alone, of one owner or of all, some of many', async () => {
    const { store, reopen } = await open()
    const scopes = ['room:b', 'group:a', 'room:a']
    const writes = scopes.map((scope, i) => record('m1', { scope, owner: i === 1 ? 'ben' : 'ann', deleted: i === 2 }))
    const others = [record('m2'), { ...record('m1'), kind: 'other' }]
    await store.change({ reads: [], decide: () => ({ writes: [...writes, ...others], result: 0 }) })
    const again = await reopen()
    const found = async (more: object) => {
      return (await again.recordsNamed({ kind, id: 'm1', limit: 10, ...more })).map(({ scope }) => scope)
    }
    expect(await found({})).toEqual(['group:a', 'room:a', 'room:b'])
    expect(await found({ limit: 2 })).toEqual(['group:a', 'room:a'])
    expect(await found({ owner: 'ann' })).toEqual(['room:a', 'room:b'])
    expect(await found({ owner: 'cid' })).toEqual([])
    expect(await found({ id: 'none' })).toEqual([])
    expect(await again.recordsNamed({ kind, id: 'm1', owner: 'ben', limit: 1 })).toEqual([writes[1]])
  })

  test(`a count looks at the ${COUNTED_AMONG} newest records of its range, and no further`, async () => {
    const { store } = await open()
    const writes = Array.from({ length: COUNTED_AMONG + 10 }, (_, i) =>
      record(`r${i}`, { seq: i + 1, owner: i < 20 ? 'ann' : i < 30 ? 'ben' : 'cid', deleted: i === 40 }),
    )
    await store.change({ reads: [], decide: () => ({ writes, result: 0 }) })
    const last = writes.length
    const count = (more: object) => store.count({ scope: channel, kind, after: 0, upTo: last, limit: last, ...more })
    expect(await count({})).toBe(COUNTED_AMONG - 1)
    // Of ann the ten oldest are beyond; those who are left out, and what is deleted, are looked at too.
    expect(await count({ exceptOwners: ['ben', 'cid'] })).toBe(10)
    expect(await count({ exceptOwners: ['cid'] })).toBe(20)
    expect(await count({ exceptOwners: ['ben', 'cid'], upTo: last - 10 })).toBe(20)
    expect(await count({ exceptOwners: ['ben', 'cid'], after: 15 })).toBe(5)
  })

  test('a snapshot is of one moment: the records are those of the head it tells', async () => {
    const { store } = await open()
    expect(await store.snapshot(channel, kind)).toEqual({
      epoch: expect.any(String),
      head: 0,
      floor: 1,
      records: [],
    })
    for (let round = 0; round < 20; round++) {
      const writing = Array.from({ length: 20 }, () => store.append(draft({ rule: counts('c') })))
      const { head, records } = await store.snapshot(channel, kind)
      expect(records[0]).toMatchObject({ id: 'c', seq: head, data: { count: head } })
      await Promise.all(writing)
    }
  })
}
