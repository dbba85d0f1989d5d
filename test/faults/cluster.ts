// Nodes as processes of their own, on one Postgres and one Redis, behind the nginx that ships.
import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { cleanup, forFile } from '../support/cleanup.ts'
import { startNginx } from '../support/nginx.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { ClusterNode } from './cluster-node.ts'
import type { LogRow } from './evidence.ts'

const KEY = 'key-of-the-fault-tests-0123456789'
const READY_WITHIN_MS = 30_000

/** What nodes share, one cluster after the other: each has a database and a corner of Redis of its own. */
export interface Services {
  readonly postgres: PostgresServer
  readonly redis: RedisServer
}

/** Starts them for the tests of a whole file. */
export function startServices(): Promise<Services> {
  return forFile(async () => ({ postgres: await startPostgres(), redis: await startRedis() }))
}

export interface ClusterOptions {
  readonly services: Services
  readonly nodes?: number
  /** More options of all nodes. */
  readonly env?: Readonly<Record<string, string>>
  /** Another build for all nodes. */
  readonly main?: string | undefined
}

export interface Cluster extends Services {
  /** Where clients connect: nginx, past a proxy that leaves them their addresses. */
  readonly url: string
  readonly nodes: readonly ClusterNode[]
  readonly nginx: Awaited<ReturnType<typeof startNginx>>
  /** The way from clients to nginx. */
  readonly front: TcpProxy
  readonly redisPrefix: string
  /** Of the service API. */
  readonly key: string
  /** Starts whatever is down. Resolves when every node is ready and says that all is well. */
  mend(): Promise<void>
  /** Calls the service API, on whichever node answers. */
  api(method: string, path: string, body?: object): Promise<Response>
  /** What the database has of some channels. */
  log(channels: readonly string[]): Promise<LogRow[]>
}

/** Starts a cluster. Ended when the test ends. */
export async function startCluster({ services, nodes: count = 3, env = {}, main }: ClusterOptions): Promise<Cluster> {
  const { postgres, redis } = services
  const database = new URL(await postgres.createDatabase()).pathname.slice(1)
  const redisPrefix = `faults-${randomBytes(4).toString('hex')}`

  const places = Array.from({ length: count }, async (_, index) => {
    const ways = {
      postgres: await startTcpProxy({ to: postgres.port }),
      redis: await startTcpProxy({ to: redis.port }),
    }
    return new ClusterNode({
      id: `n${index + 1}`,
      folder: temporaryFolder(),
      main,
      ...ways,
      env: {
        DATABASE_URL: `postgres://postgres@127.0.0.1:${ways.postgres.port}/${database}`,
        REDIS_URL: `redis://127.0.0.1:${ways.redis.port}`,
        REDIS_PREFIX: redisPrefix,
        API_KEYS: KEY,
        TRUST_PROXY: '1',
        ...env,
      },
    })
  })
  const nodes = await Promise.all(places)
  // The first one makes the tables while the others wait anyway.
  await Promise.all(nodes.map((node) => node.start()))
  const nginx = await startNginx({ ports: nodes.map(({ port }) => port) })
  cleanup(() => nginx.stop())
  const front = await startTcpProxy({ to: nginx.port, keepsAddress: true })

  async function api(method: string, path: string, body?: object): Promise<Response> {
    const headers = { 'x-api-key': KEY, 'content-type': 'application/json' }
    const signal = AbortSignal.timeout(10_000)
    for (const { url } of nodes) {
      const answer = await fetch(url + path, {
        method,
        headers,
        signal,
        ...(body && { body: JSON.stringify(body) }),
      }).catch(() => undefined)
      if (answer && answer.status < 500) return answer
    }
    throw new Error(`no node has done ${method} ${path}`)
  }

  return {
    url: `http://127.0.0.1:${front.port}`,
    nodes,
    postgres,
    redis,
    nginx,
    front,
    redisPrefix,
    key: KEY,
    api,
    async mend() {
      await Promise.all(nodes.map((node) => node.start()))
      const deadline = performance.now() + READY_WITHIN_MS
      for (const node of nodes) {
        for (let { says } = await node.readiness(); says !== 'ok redis=ok'; { says } = await node.readiness()) {
          if (performance.now() > deadline) throw new Error(`${node.id} still says: ${says}`)
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
    },
    log: (channels) => logOf(postgres.url(database), channels),
  }
}

async function logOf(url: string, channels: readonly string[]): Promise<LogRow[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    const { rows } = await client.query(
      `select c.address as channel, c.epoch, e.seq::int as seq, e.type, e.operation_id as "operationId",
         e."user"::json->>'id' as "userId", e.payload::json as payload
       from events e join channels c on c.id = e.channel_id where c.address = any($1) order by c.address, e.seq`,
      [channels],
    )
    return rows as LogRow[]
  } finally {
    await client.end()
  }
}
