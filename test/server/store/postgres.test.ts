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
