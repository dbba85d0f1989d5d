import { once } from 'node:events'
import { createServer, connect as dial } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { FactDraft, Store } from '../../../src/server/store/store.ts'
import { cleanup } from '../../support/cleanup.ts'
import { startPostgres } from '../../support/postgres-server.ts'
import { connectPostgres, draft, openStore, untilWaiting, upTo } from '../../support/postgres-store.ts'
import { until } from '../../support/until.ts'

const channel = 'project:p1'

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

  test('F11 connections that nobody uses are ended: the process goes on, and so does the store', async () => {
    const { server, url, store } = await ownServer()
    const ofStores = `from pg_stat_activity where application_name = 'convene'`
    await Promise.all([store.append(draft()), ...Array.from({ length: 20 }, () => store.ping())])
    const ended = await server.query(`select pg_terminate_backend(pid) ${ofStores}`)
    expect(ended.length).toBeGreaterThan(5)
    const look = await connectPostgres(url)
    await until('all are gone', async () => (await look.query(`select ${ofStores}`)).rowCount === 0)
    await store.ping()
    expect(await store.append(draft())).toMatchObject({ seq: 2 })
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

  test('F05 frozen: closing does not wait for it', async () => {
    const { server, store } = await ownServer()
    await store.append(draft())
    await server.freeze()
    const lost = store.append(draft()).catch((error: unknown) => error)
    const began = performance.now()
    await store.close()
    expect(performance.now() - began).toBeLessThan(8000)
    expect(await lost).toMatchObject({ code: 'unavailable' })
  }, 60_000)

  test('not the primary any more: nothing is stored, and its connections are given up', async () => {
    const { server, url, store } = await ownServer()
    await store.append(draft())
    const database = new URL(url).pathname.slice(1)
    const end = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'convene'`
    await server.query(`alter database "${database}" set default_transaction_read_only = on`)
    await server.query(end)
    for (let i = 0; i < 3; i++) await expect(store.append(draft())).rejects.toMatchObject({ code: 'unavailable' })
    await server.query(`alter database "${database}" set default_transaction_read_only = off`)
    expect(await persist(store, draft())).toMatchObject({ seq: 2 })
  })

  test('[OP1] the answer to a commit is lost: trying again finds what was stored', async () => {
    const { url } = await ownServer()
    const line = await lossyLine(Number(new URL(url).port))
    const through = new URL(url)
    through.port = String(line.port)
    const store = await openStore(through.href)
    await store.append(draft())
    line.loseNextCommit()
    const fact = draft()
    const lost = store.append(fact)
    await expect(lost).rejects.toMatchObject({ code: 'unavailable', message: expect.stringMatching(/operationId/) })
    await expect(lost).rejects.not.toThrow(/nothing was stored/)
    expect(await store.append(fact)).toMatchObject({ seq: 2, duplicate: true })
  })
})

describe('a node that holds the head of a channel', () => {
  test('and goes on after long: others are told within seconds, not one after the other', async () => {
    const server = await startPostgres()
    const url = await server.createDatabase()
    const store = await openStore(url)
    await store.append(draft())
    const other = await connectPostgres(url)
    await other.query('begin')
    await other.query('select from channels for update')
    const began = performance.now()
    const late = await Promise.allSettled(Array.from({ length: 5 }, () => store.append(draft())))
    expect(performance.now() - began).toBeLessThan(8000)
    for (const outcome of late) expect(outcome).toMatchObject({ reason: { code: 'unavailable' } })
    const waits = store.append(draft())
    await untilWaiting(other)
    await other.query('rollback')
    expect(await waits).toMatchObject({ seq: 2 })
  }, 30_000)

  test('and is frozen: the server takes it back before others have waited in vain', async () => {
    const server = await startPostgres()
    const store = await openStore(await server.createDatabase())
    await store.append(draft())
    const blocking = {
      reads: [],
      decide() {
        // Nothing of this process runs meanwhile.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3500)
        return { payload: {}, writes: [] }
      },
    }
    await expect(store.append(draft({ rule: blocking }))).rejects.toMatchObject({ code: 'unavailable' })
    expect(await store.append(draft())).toMatchObject({ seq: 2 })
  }, 30_000)
})

/** A way to Postgres that, when it is told to, breaks after the next commit has come there and before it is answered. */
async function lossyLine(to: number): Promise<{ readonly port: number; loseNextCommit(): void }> {
  let losing = false
  const line = createServer((near) => {
    const far = dial(to, '127.0.0.1')
    let mute = false
    for (const socket of [near, far]) socket.on('error', () => {})
    near.on('data', (chunk) => {
      mute ||= losing && chunk.includes('commit\0')
      if (mute) losing = false
      far.write(chunk)
    })
    far.on('data', (chunk) => {
      if (mute) near.destroy()
      else near.write(chunk)
    })
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  }).listen(0, '127.0.0.1')
  cleanup(() => line.close())
  await once(line, 'listening')
  const address = line.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    loseNextCommit() {
      losing = true
    },
  }
}
