import { randomBytes } from 'node:crypto'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Cluster, ClusterListener } from './cluster.ts'
import { countFailures, type Failed } from './failures.ts'
import { OutageLog } from './outage-log.ts'
import { RedisBus } from './redis-bus.ts'
import { RedisLeases } from './redis-leases.ts'
import { RedisLink } from './redis-link.ts'
import { checkedRedisUrl } from './redis-url.ts'
import { Seal } from './sealed.ts'
import { within } from './within.ts'

const FAREWELL_MS = 700
const RESTORE_AFTER_MS = 100

export interface RedisClusterOptions {
  readonly url: string
  /** Begins every key and channel. */
  readonly prefix: string
  readonly serverId: string
  /** 32 bytes that every node has from the store. */
  readonly key: Buffer
  readonly logger: Logger
  readonly metrics: Metrics
  /** Sharded channels where Redis has them; on unless given. */
  readonly sharding?: boolean
}

/**
 * The other instances through Redis. Resolves when Redis is reached or was found not to be: then it is `degraded`, and tried for ever.
 * The listener hears nothing before.
 * @throws Error when `url` is no Redis URL
 */
export async function createRedisCluster(options: RedisClusterOptions, listener: ClusterListener): Promise<Cluster> {
  const { prefix, logger, metrics } = options
  const url = checkedRedisUrl(options.url)
  const node = `${options.serverId}.${randomBytes(6).toString('hex')}`
  const failed = countFailures(metrics)
  const seal = new Seal(options.key)
  const safe = safeListener(listener, failed)
  let started = false
  let restoring: NodeJS.Timeout | undefined

  /** Once for many nodes that come back together. */
  function restoreSoon(): void {
    restoring ??= setTimeout(() => {
      restoring = undefined
      if (link.life) safe.restored()
    }, RESTORE_AFTER_MS)
  }

  const bus = new RedisBus({
    node,
    prefix,
    seal,
    metrics,
    failed,
    listener: safe,
    noted(message, from) {
      if (message === 'lost') restoreSoon()
      else leases.left(from).catch(() => failed('command'))
    },
  })
  const leases = new RedisLeases({
    node,
    prefix,
    seal,
    failed,
    expired: (from) => safe.expired(from),
    shownAgain: () => bus.miss(),
    beaten: () => bus.confess(),
  })
  const life = { url, probeChannel: `${prefix}:probe:${node}`, sharding: options.sharding ?? true }
  const link = new RedisLink(
    life,
    new OutageLog(logger, 'other instances are told nothing, facts go through the store'),
    {
      async begin(next) {
        await bus.begin(next)
        await leases.begin(next)
      },
      began() {
        bus.began()
        leases.began()
        bus.confess()
        if (started) safe.restored()
      },
      ended() {
        failed('connection')
        bus.miss()
        bus.ended()
        leases.ended()
      },
    },
  )
  metrics.gauge('convene_redis_up', 'Whether the other instances are reached through Redis', () => (link.life ? 1 : 0))
  await link.start()
  started = true

  let closed: Promise<void> | undefined
  async function close(): Promise<void> {
    clearTimeout(restoring)
    if (link.life) {
      const farewell = leases.takeBack().then(() => bus.tellNodes('bye'))
      await within(
        farewell.then(() => link.life?.ask(['TIME'])),
        FAREWELL_MS,
        'taking leave',
      ).catch(() => failed('command'))
    }
    await link.close()
    clearTimeout(restoring)
    leases.stop()
  }

  return {
    node,
    get health() {
      return link.life && !closed ? 'ok' : 'degraded'
    },
    leases,
    subscribe: (channel) => bus.subscribe(channel),
    unsubscribe: (channel) => bus.unsubscribe(channel),
    tell: (message) => bus.tell(message),
    close() {
      closed ??= close()
      return closed
    },
  }
}

function safeListener(listener: ClusterListener, failed: Failed): ClusterListener {
  function safely(call: () => void): void {
    try {
      call()
    } catch {
      failed('listener')
    }
  }
  return {
    received: (message) => safely(() => listener.received(message)),
    restored: () => safely(() => listener.restored()),
    expired: (node) => safely(() => listener.expired(node)),
  }
}
