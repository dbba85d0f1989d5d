import type { Fault } from './fault.ts'
import { frozenNode, killedAt, killedNode, reloadedNginx, repeatedOperations, rollingRestart } from './node-faults.ts'
import {
  cutSubscribers,
  flushedRedis,
  frozenRedis,
  killedRedis,
  partedFromRedis,
  poisonedRedis,
  slowRedis,
  slowSubscribers,
} from './redis-faults.ts'
import {
  killedPostgres,
  partedClients,
  partedFromPostgres,
  restartedPostgres,
  terminatedConnections,
} from './store-faults.ts'

/** Faults of nodes and what is in front of them; some want nodes with failpoints. */
export const NODE_FAULTS: readonly Fault[] = [
  killedNode,
  killedAt('before-commit'),
  killedAt('after-commit'),
  killedAt('after-telling'),
  frozenNode,
  rollingRestart,
  reloadedNginx,
  repeatedOperations,
]

export const REDIS_FAULTS: readonly Fault[] = [
  killedRedis(10_000),
  frozenRedis,
  cutSubscribers,
  slowSubscribers,
  flushedRedis,
  poisonedRedis,
  partedFromRedis,
  slowRedis,
]

export const STORE_FAULTS: readonly Fault[] = [
  killedPostgres,
  restartedPostgres,
  terminatedConnections,
  partedFromPostgres,
  partedClients,
]
