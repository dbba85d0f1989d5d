// Nodes of one process that share a database and a Redis of a test's own, without a proxy.
import { afterAll, beforeAll } from 'vitest'
import type { ServerOptions } from '../../src/server/server.ts'
import { KEY } from './api.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { startNode, type TestNode } from './start-node.ts'
import { SECRET } from './start-server.ts'

export interface TestNodes {
  readonly nodes: readonly [TestNode, TestNode, ...TestNode[]]
  readonly redis: RedisServer
  readonly databaseUrl: string
}

/** To be called once in a test file, which then has a Postgres: starts so many nodes, of which a test has a Redis alone. */
export function nodesOfFile(): (count: number, options?: ServerOptions) => Promise<TestNodes> {
  let postgres: PostgresServer
  beforeAll(async () => {
    postgres = await startPostgres({ forFile: true })
  })
  afterAll(() => postgres.stop())
  return async (count, options = {}) => {
    const [redis, databaseUrl] = [await startRedis(), await postgres.createDatabase()]
    const shared = { port: 0, jwtSecrets: [SECRET], apiKeys: [KEY], presenceGraceMs: 100, databaseUrl, ...options }
    const nodes: TestNode[] = []
    for (let n = 1; n <= count; n++) {
      const node = { serverId: `n${n}`, logLevel: 'silent', redisUrl: redis.url, rateConnectionsPerMinute: 1_000_000 }
      nodes.push(await startNode({ ...node, ...shared } as ServerOptions))
    }
    return { nodes: nodes as [TestNode, TestNode, ...TestNode[]], redis, databaseUrl }
  }
}
