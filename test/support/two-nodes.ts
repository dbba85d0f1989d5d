// Two servers in this process on one database and one corner of Redis, behind an nginx that keeps a client at its node.
import { randomBytes } from 'node:crypto'
import { createClient } from 'redis'
import { inject } from 'vitest'
import type { ServerOptions } from '../../src/server/server.ts'
import { cleanup } from './cleanup.ts'
import { createDatabase } from './database.ts'
import { type Nginx, startNginx } from './nginx.ts'
import { startNode } from './start-node.ts'
import type { TestServer } from './start-server.ts'

const NODES = 2

/** Two nodes for `startServer`, with the same options but for what tells them apart. */
export async function startTwoNodes(options: ServerOptions): Promise<TestServer> {
  const shared = {
    ...cornerOfRedis(),
    ...options,
    databaseUrl: options.databaseUrl ?? (await createDatabase()).url,
    trustProxy: 1,
  }
  // It goes after the clients have said goodbye through it, and the nodes have let go of them.
  let nginx: Nginx | undefined
  cleanup(() => nginx?.stop())
  const serverId = options.serverId ?? 'node'
  const [first, second] = await Promise.all([
    startNode({ ...shared, serverId }),
    startNode({ ...shared, serverId: `${serverId}-2` }),
  ])
  const nodes = [first, second] as const
  nginx = await startNginx({ ports: nodes.map(({ port }) => port) })
  const addresses = nodes.map((_, index) => addressFor(index, NODES))
  let asked = 0
  return {
    url: nginx.url,
    port: nginx.port,
    server: first.server,
    nodes,
    nextAddress: () => addresses[asked++ % NODES],
    nodeOf: ({ connected }) => nodes.find(({ server }) => server.options.serverId === connected.serverId) ?? first,
    close: async () => void (await Promise.all(nodes.map(({ server }) => server.close()))),
  }
}

/** What the servers of one test see of Redis; emptied when it ends. */
function cornerOfRedis(): { redisUrl: string; redisPrefix: string } {
  const { redisUrl } = inject('services')
  const redisPrefix = `test-${randomBytes(6).toString('hex')}`
  cleanup(async () => {
    const redis = createClient({ url: redisUrl })
    redis.on('error', () => {})
    await redis.connect()
    const keys = await redis.keys(`${redisPrefix}:*`)
    if (keys.length > 0) await redis.del(keys)
    redis.destroy()
  })
  return { redisUrl, redisPrefix }
}

/** The first loopback address that nginx's ip_hash sends to the node of an index. */
function addressFor(index: number, nodes: number): string {
  for (let third = 0; third < 256; third++) if (ipHash([127, 0, third]) % nodes === index) return `127.0.${third}.1`
  throw new Error(`no address for node ${index} of ${nodes}`)
}

/** As ngx_http_upstream_ip_hash_module computes it, of the first three octets. */
function ipHash(octets: readonly number[]): number {
  return octets.reduce((hash, octet) => (hash * 113 + octet) % 6271, 89)
}
