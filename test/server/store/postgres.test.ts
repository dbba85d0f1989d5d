import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgresStore, type PostgresOptions } from '../../../src/server/store/postgres.ts'
import { type FactDraft, StandingChanged, type Store } from '../../../src/server/store/store.ts'
import { storeContract } from '../../contracts/store.ts'
import { cleanup } from '../../support/cleanup.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'

const channel = 'project:p1'
const RETENTION = { facts: 10_000, days: 7 }
let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres({ forFile: true })
})
afterAll(() => postgres.stop())

async function openStore(url: string, more: Partial<PostgresOptions> = {}): Promise<Store> {
  const store = await openPostgresStore({ url, retention: RETENTION, ...more })
  cleanup(() => store.close())
  return store
}

/** Several nodes' stores on one database. */
async function openStores(count: number): Promise<Store[]> {
  const url = await postgres.createDatabase()
  return Promise.all(Array.from({ length: count }, () => openStore(url)))
}

function draft(more: Partial<FactDraft> = {}): FactDraft {
  return { channel, type: 'a:b', operationId: crypto.randomUUID(), user: null, payload: {}, ...more }
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
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

  test('[SEQ6] trim at once: the floor never goes back, and what is promised is there', async () => {
    const url = await postgres.createDatabase()
    const stores = await Promise.all([5, 5, 5].map((facts) => openStore(url, { retention: { facts, days: 0 } })))
    for (let i = 0; i < 3; i++) {
      await Promise.all(Array.from({ length: 700 }, () => stores[0]?.append(draft({ timestamp: 1 }))))
      await Promise.all(stores.map((store) => store.trim()))
      const { head, floor } = await (stores[1] as Store).open(channel)
      expect(floor).toBe(head - 4)
      expect((await stores[2]?.read(channel, { limit: 10_000 }))?.map(({ seq }) => seq)).toEqual(
        [4, 3, 2, 1, 0].map((n) => head - n),
      )
    }
  })

  test('an empty database is made by five that start at once', async () => {
    const stores = await openStores(5)
    await Promise.all(stores.map((store) => store.append(draft())))
    expect(await stores[0]?.head(channel)).toBe(5)
    expect(new Set(await Promise.all(stores.map(async (store) => (await store.open(channel)).epoch))).size).toBe(1)
  })
})

describe('the schema', () => {
  test('of a newer version that changed what this one relies on is refused, in a word without the password', async () => {
    const url = await postgres.createDatabase()
    const database = new URL(url).pathname.slice(1)
    await (await openStore(url)).close()
    await postgres.query(`insert into kysely_migration values ('9-of-tomorrow', '2030-01-01T00:00:00Z')`, database)
    expect(await (await openStore(url)).append(draft())).toMatchObject({ seq: 1 })
    await postgres.query('update schema_compatibility set oldest = 9', database)
    const secret = new URL(url)
    secret.password = 'hunter2-hunter2'
    const refused = openPostgresStore({ url: secret.href, retention: RETENTION })
    await expect(refused).rejects.toThrow(/newer Convene \(it has 9-of-tomorrow\)/)
    await expect(refused).rejects.not.toThrow(/hunter2/)
  })

  test('that cannot be reached is a refusal to start that says where, not with what', async () => {
    const url = `postgres://convene:hunter2-hunter2@127.0.0.1:1/convene`
    const refused = openPostgresStore({ url, retention: RETENTION, waitMs: 300 })
    await expect(refused).rejects.toThrow(/^DATABASE_URL: Postgres at 127\.0\.0\.1:1 cannot be used \(ECONNREFUSED/)
    const missing = openPostgresStore({ url: postgres.url('not-there'), retention: RETENTION })
    await expect(missing).rejects.toThrow(/DATABASE_URL: .*3D000: database "not-there" does not exist/)
  })
})

describe('[SEQ5] the epoch', () => {
  async function epochOf(url: string): Promise<string> {
    const store = await openStore(url)
    const { epoch } = await store.open(channel)
    await store.close()
    return epoch
  }

  test('is the same when the database is only opened again, by an ordinary role', async () => {
    await postgres.query(`create role ordinary login`)
    const url = await postgres.createDatabase()
    const own = new URL(url)
    own.username = 'ordinary'
    await postgres.query(`alter database "${own.pathname.slice(1)}" owner to ordinary`)
    await postgres.query('alter schema public owner to ordinary', own.pathname.slice(1))
    const epoch = await epochOf(own.href)
    expect(await epochOf(own.href)).toBe(epoch)
    expect(await epochOf(url)).toBe(epoch)
  })

  test('is another one when it was restored from a dump', async () => {
    const url = await postgres.createDatabase()
    const before = await epochOf(url)
    const restored = await postgres.createDatabase()
    await postgres.dumpInto(url, restored)
    const after = await epochOf(restored)
    expect(after).not.toBe(before)
    expect(await epochOf(restored)).toBe(after)
  })
})

describe('a Postgres that goes away', () => {
  /** One of its own, with a store on it. */
  async function ownServer() {
    const server = await startPostgres({ fsync: true })
    const url = await server.createDatabase()
    return { server, url, store: await openStore(url) }
  }

  /** Tries until it is stored. */
  async function persist(store: Store, fact: FactDraft) {
    for (;;) {
      const stored = await store.append(fact).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'unavailable' })
      })
      if (stored) return stored
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  test('F11 [SEQ2] killed under load and started again: what was acknowledged is there once, without a restart of ours', async () => {
    const { server, store } = await ownServer()
    const acknowledged = new Map<string, number>()
    let n = 0
    let stopped = false
    const load = Array.from({ length: 8 }, async () => {
      while (!stopped) {
        const operationId = `op-${n++}`
        acknowledged.set(operationId, (await persist(store, draft({ operationId }))).seq)
      }
    })
    for (let round = 0; round < 2; round++) {
      const before = acknowledged.size
      while (acknowledged.size < before + 200) await new Promise((resolve) => setTimeout(resolve, 10))
      await server.kill9()
      await expect(store.append(draft())).rejects.toMatchObject({ code: 'unavailable' })
      await server.restart()
    }
    stopped = true
    await Promise.all(load)
    const log = await store.read(channel, { limit: 100_000 })
    expect(log.map(({ seq }) => seq)).toEqual(upTo(log.length))
    expect(new Set(log.map(({ operationId }) => operationId)).size).toBe(log.length)
    for (const [operationId, seq] of acknowledged) expect(log[seq - 1]?.operationId).toBe(operationId)
  }, 120_000)

  test('F11 all of its connections ended at once, again and again', async () => {
    const { server, store } = await ownServer()
    const end = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'convene'`
    for (let i = 0; i < 5; i++) {
      const facts = Promise.all(Array.from({ length: 50 }, () => persist(store, draft())))
      await server.query(end)
      await facts
    }
    const { head } = await store.open(channel)
    expect(head).toBe(250)
  })

  test('F05 frozen: calls fail, do not hang, and work again when it goes on', async () => {
    const { server, store } = await ownServer()
    await store.append(draft({ operationId: 'before' }))
    await server.freeze()
    await expect(store.append(draft({ operationId: 'during' }))).rejects.toMatchObject({ code: 'unavailable' })
    await expect(store.ping()).rejects.toMatchObject({ code: 'unavailable' })
    await server.thaw()
    await persist(store, draft({ operationId: 'during' }))
    expect((await store.read(channel, { limit: 10 })).map(({ operationId }) => operationId)).toEqual([
      'before',
      'during',
    ])
  }, 60_000)
})
