// A node in a process of its own: given a Redis and a key, it shows one entry and says its name. Runs what was built.
import { pino } from 'pino'
import { createRedisCluster } from '../../../dist/server/cluster/redis.js'
import { createMetrics } from '../../../dist/server/observe/metrics.js'

const [url, key] = process.argv.slice(2)
const cluster = await createRedisCluster(
  {
    url,
    prefix: 'test',
    serverId: 'process',
    key: Buffer.from(key, 'hex'),
    logger: pino({ level: 'silent' }),
    metrics: createMetrics('process'),
  },
  { received() {}, restored() {}, expired() {} },
)
cluster.leases.show('scope', 'key', 1)
process.send(cluster.node)
