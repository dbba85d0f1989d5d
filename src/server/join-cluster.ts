import { createAlone } from './cluster/alone.ts'
import type { Cluster, ClusterListener } from './cluster/cluster.ts'
import { createRedisCluster } from './cluster/redis.ts'
import { createSocketIoAdapter, type SocketIoAdapter } from './cluster/socketio-adapter.ts'
import { clusterKey } from './cluster-key.ts'
import type { Options } from './config/config.ts'
import type { Logger } from './observe/logger.ts'
import type { Metrics } from './observe/metrics.ts'
import type { Store } from './store/store.ts'

/** This instance among the others, if there are any. */
export interface Joined {
  readonly cluster: Cluster
  /** For what an embedding app emits to rooms. */
  readonly adapter: SocketIoAdapter['adapter'] | undefined
  close(): Promise<void>
}

/**
 * Joins the other instances that share the store. With Redis but a store of its own an instance is alone; only what an
 * embedding app or its emitter emits reaches it through Redis.
 * @throws ConveneError `unavailable`
 */
export async function joinCluster(
  options: Options,
  rooms: { readonly store: Store; readonly logger: Logger; readonly metrics: Metrics },
  listener: ClusterListener,
): Promise<Joined> {
  const { redisUrl: url, redisPrefix: prefix, serverId } = options
  if (url === undefined) return { cluster: createAlone(), adapter: undefined, close: async () => {} }
  const redis = { url, prefix, ...rooms }
  const key = rooms.store.shared ? await clusterKey(rooms.store, 'bus') : undefined
  if (!key && !options.communityRedis) {
    rooms.logger.warn('REDIS_URL joins nodes that share a Postgres (DATABASE_URL); with SQLite this one is alone')
  }
  const cluster = key ? await createRedisCluster({ ...redis, serverId, key }, listener) : createAlone()
  const { adapter, close } = await createSocketIoAdapter(redis)
  return {
    cluster,
    adapter,
    async close() {
      await Promise.all([cluster.close(), close()])
    },
  }
}
