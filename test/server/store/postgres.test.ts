import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { StandingChanged, type Store } from '../../../src/server/store/store.ts'
import { storeContract } from '../../contracts/store.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'
import { connectPostgres, draft, openStore, RETENTION, untilWaiting, upTo } from '../../support/postgres-store.ts'

const channel = 'project:p1'
let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres({ forFile: true })
})
afterAll(() => postgres.stop())

/** Several nodes' stores on one database. */
async function openStores(count: number): Promise<Store[]> {
  const url = await postgres.createDatabase()
  return Promise.all(Array.from({ length: count }, () => openStore(url)))
}

storeContract('Postgres', async (retention = RETENTION) => {
  const url = await postgres.createDatabase()
  let store = await openStore(url, { retention })
  return {
    store,
    async reopen() {
      await store.close()
      store = await openStore(url, { retention })
      return store
    },
  }
})

describe('several stores on one database', () => {
  test('[SEQ1] [SEQ3] append to the same channels at once: each seq is given once, in order, and none waits for ever', async () => {
    const stores = await openStores(3)
    const channels = ['project:c', 'project:a', 'project:b', 'room:d', 'room:e']
    const stored = await Promise.all(
      Array.from({ length: 900 }, async (_, i) => {
        const at = channels[(i * 7) % channels.length] as string
        const { seq } = await (stores[i % 3] as Store).append(draft({ channel: at, payload: { i } }))
        return { at, i, seq }
      }),
    )
    for (const at of channels) {
      const here = stored.filter((fact) => fact.at === at).sort((a, b) => a.seq - b.seq)
      expect(here.map(({ seq }) => seq)).toEqual(upTo(180))
      const logs = await Promise.all(stores.map((store) => store.read(at, { limit: 1000 })))
      for (const log of logs)
        expect(log.map(({ seq, payload }) => [seq, payload.i])).toEqual(here.map(({ seq, i }) => [seq, i]))
    }
  })

  test('[SEQ1] many logs begun at once by all of them are begun once', async () => {
    const stores = await openStores(3)
    const channels = Array.from({ length: 60 }, (_, i) => `project:p${(i * 37) % 60}`)
    await Promise.all(
      stores.flatMap((store, n) =>
        (n % 2 ? channels.toReversed() : channels).map((at) => store.append(draft({ channel: at }))),
      ),
    )
    const heads = await (stores[0] as Store).heads(channels)
    expect([...heads.values()].map(({ head }) => head)).toEqual(channels.map(() => 3))
  })

  test('[OP1] [OP2] an operation that comes by two of them is stored once', async () => {
    const stores = await openStores(2)
    const same = draft({ operationId: 'op-1', payload: { n: 1 } })
    const [first, second] = await Promise.all(stores.map((store) => store.append(same)))
    expect([first?.duplicate, second?.duplicate].sort()).toEqual([false, true])
    expect(first?.seq).toBe(second?.seq)
    await expect(stores[1]?.append({ ...same, payload: { n: 2 } })).rejects.toMatchObject({
      code: 'operation_mismatch',
    })
    expect(await stores[0]?.head(channel)).toBe(1)
  })

  test('[FACT2] who may do what, changed by one, is known to the other', async () => {
    const [one, other] = (await openStores(2)) as [Store, Store]
    const change = { reads: [], decide: () => ({ payload: {}, writes: [], changesStanding: true as const }) }
    await one.append(draft())
    await one.append(draft({ rule: change }))
    const late = other.append(draft({ standing: 1 }))
    await expect(late).rejects.toBeInstanceOf(StandingChanged)
    await expect(late).rejects.toMatchObject({ seq: 2 })
    expect(await other.append(draft({ standing: 2 }))).toMatchObject({ seq: 3 })
  })

  test('a change waits for another that reads the same record, also one that is not there yet', async () => {
    const stores = await openStores(3)
    const key = { scope: 's', kind: 'count', id: 'c' }
    const add = (store: Store) =>
      store.change({
        reads: [key],
        decide(read) {
          const n = Number(read(key)?.data.n ?? 0) + 1
          return { writes: [{ ...key, seq: 0, owner: null, deleted: false, data: { n } }], result: n }
        },
      })
    const counted = await Promise.all(Array.from({ length: 60 }, (_, i) => add(stores[i % 3] as Store)))
    expect(counted.sort((a, b) => a - b)).toEqual(upTo(60))
  })

  test('[SEQ6] trim at once: the floor never goes back behind where another has brought it', async () => {
    const url = await postgres.createDatabase()
    const store = await openStore(url, { retention: { facts: 5, days: 0 } })
    await Promise.all(Array.from({ length: 300 }, () => store.append(draft({ timestamp: 1 }))))
    const other = await connectPostgres(url)
    await other.query('begin')
    await other.query('select from channels for update')
    const trimmed = store.trim()
    await untilWaiting(other)
    await other.query('update channels set floor = 298')
    await other.query('commit')
    await trimmed
    expect(await store.open(channel)).toMatchObject({ head: 300, floor: 298 })
    expect(await store.trim()).toBe(0)
  })

  test('a deadlock with somebody else is tried again, and nobody hears of it', async () => {
    const url = await postgres.createDatabase()
    const store = await openStore(url)
    const two = ['project:a', 'project:b']
    const append = () => Promise.all(two.map((at) => store.append(draft({ channel: at }))))
    await append()
    const other = await connectPostgres(url)
    // So that it is the store that is let go of.
    await other.query(`set deadlock_timeout = '1min'`)
    await other.query('begin')
    await other.query(`select from channels where address = 'project:b' for update`)
    const stored = append()
    await untilWaiting(other)
    await other.query(`select from channels where address = 'project:a' for update`)
    await other.query('commit')
    expect(await stored).toMatchObject([{ seq: 2 }, { seq: 2 }])
  })

  test('what cannot be held fails by itself, and none of the others', async () => {
    const [store] = (await openStores(1)) as [Store]
    const unfit = new Set([0, 17, 18, 59])
    const facts = Array.from({ length: 60 }, (_, i) => draft({ payload: { i }, ...(unfit.has(i) && { type: 'a:\0' }) }))
    const stored = await Promise.allSettled(facts.map((fact) => store.append(fact)))
    for (const [i, outcome] of stored.entries()) {
      if (unfit.has(i)) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'invalid' } })
      else expect(outcome).toMatchObject({ status: 'fulfilled' })
    }
    const log = await store.read(channel, { limit: 100 })
    expect(log.map(({ payload }) => payload.i)).toEqual(facts.map((_, i) => i).filter((i) => !unfit.has(i)))
    expect(log.map(({ seq }) => seq)).toEqual(upTo(56))
  })

  test('many who read do not keep waiting what is to be stored', async () => {
    const url = await postgres.createDatabase()
    const store = await openStore(url)
    const other = await connectPostgres(url)
    await other.query('begin')
    await other.query('lock table records in access exclusive mode')
    const reads = Promise.all(Array.from({ length: 30 }, () => store.record({ scope: 's', kind: 'k', id: 'i' })))
    await untilWaiting(other)
    expect(await store.append(draft())).toMatchObject({ seq: 1 })
    await other.query('rollback')
    await reads
  })

  test('an empty database is made by five that start at once', async () => {
    const stores = await openStores(5)
    await Promise.all(stores.map((store) => store.append(draft())))
    expect(await stores[0]?.head(channel)).toBe(5)
    expect(new Set(await Promise.all(stores.map(async (store) => (await store.open(channel)).epoch))).size).toBe(1)
  })
})
