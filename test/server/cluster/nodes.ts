// Nodes of a cluster in one process, and what each has heard.
import { randomBytes } from 'node:crypto'
import { pino } from 'pino'
import type { Cluster, ClusterListener } from '../../../src/server/cluster/cluster.ts'
import type { ClusterMessage, SignalMessage } from '../../../src/server/cluster/message.ts'
import { createRedisCluster, type RedisClusterOptions } from '../../../src/server/cluster/redis.ts'
import { createMetrics, type Metrics } from '../../../src/server/observe/metrics.ts'
import { cleanup } from '../../support/cleanup.ts'
import { until } from '../../support/until.ts'

export const KEY = randomBytes(32)

/** A node, with what its listener was told. */
export interface ListeningNode {
  readonly cluster: Cluster
  readonly received: ClusterMessage[]
  readonly expired: string[]
  /** How often messages may have been lost. */
  readonly restored: { times: number }
  readonly metrics: Metrics
  /** What it logged. */
  readonly log: string[]
}

/** Joins a node through a Redis. Closed when the test ends. */
export async function startNode(
  url: string,
  options: Partial<RedisClusterOptions> = {},
  listener: Partial<ClusterListener> = {},
): Promise<ListeningNode> {
  const received: ClusterMessage[] = []
  const expired: string[] = []
  const restored = { times: 0 }
  const log: string[] = []
  const metrics = createMetrics('test')
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) })
  const cluster = await createRedisCluster(
    { url, prefix: 'test', serverId: 'node', key: KEY, logger, metrics, ...options },
    {
      received: (message) => void received.push(message),
      restored: () => void restored.times++,
      expired: (node) => void expired.push(node),
      ...listener,
    },
  )
  cleanup(() => cluster.close())
  return { cluster, received, expired, restored, metrics, log }
}

/** A signal that is told apart by its number. */
export function signal(n: number, channel: string): SignalMessage {
  return { kind: 'signal', channel, event: 'signal', body: { n }, from: { sessionId: 's', userId: 'ann' } }
}

/** The numbers of the signals that came. */
export function numbers(received: readonly ClusterMessage[]): unknown[] {
  return received.flatMap((message) => (message.kind === 'signal' ? [message.body.n] : []))
}

/** How often something has gone wrong, by what it was. */
export async function failures(metrics: Metrics, kind: string): Promise<number> {
  const { values } = await metrics.clusterFailures.get()
  return values.find(({ labels }) => labels.kind === kind)?.value ?? 0
}

/** Waits until what one node tells arrives at another, whatever was before. */
export async function untilReached(from: ListeningNode, to: ListeningNode, channel: string): Promise<void> {
  const mark = `mark ${randomBytes(6).toString('hex')}`
  const telling = setInterval(() => {
    from.cluster.tell({ kind: 'personal', channel, userId: mark, event: 'mark', body: {} })
  }, 20)
  try {
    await until(`${from.cluster.node} reaches ${to.cluster.node}`, () =>
      to.received.some((message) => message.kind === 'personal' && message.userId === mark),
    )
  } finally {
    clearInterval(telling)
  }
}
