import type { TestProject } from 'vitest/node'
import { openPostgresStore } from '../../src/server/store/postgres.ts'
import { startPostgres } from './postgres-server.ts'
import { startRedis } from './redis-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** How many servers `startServer` starts, and on what. */
    topology: 'one node' | 'two nodes'
    services: Services
  }
}

/** What all servers of a run share, each test in a corner of its own. */
export interface Services {
  readonly redisUrl: string
  /** A database that is migrated and empty, to copy; nobody is connected to it. */
  readonly templateUrl: string
}

/** vitest's global setup of `two nodes`: one Postgres and one Redis, stopped when the run ends. */
export default async function startServices(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startPostgres()
  const redis = await startRedis().catch(async (error: unknown) => {
    await postgres.stop()
    throw error
  })
  async function stop(): Promise<void> {
    await redis.stop()
    await postgres.stop()
  }
  try {
    const templateUrl = await postgres.createDatabase()
    const store = await openPostgresStore({ url: templateUrl, retention: { facts: 1, days: 1 } })
    await store.close()
    project.provide('services', { redisUrl: redis.url, templateUrl })
    return stop
  } catch (error) {
    await stop()
    throw error
  }
}
