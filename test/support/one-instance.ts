import { Control, type ControlReactions } from '../../src/server/channels/control.ts'
import { Feeds } from '../../src/server/channels/feeds.ts'
import { createAlone } from '../../src/server/cluster/alone.ts'
import { createLogger } from '../../src/server/observe/logger.ts'
import { createMetrics } from '../../src/server/observe/metrics.ts'
import type { Store } from '../../src/server/store/store.ts'
import { cleanup } from './cleanup.ts'

/** What channels and access need around a store, of an instance that is alone. */
export function oneInstance(store: Store, reactions: () => ControlReactions = () => ({})) {
  const logger = createLogger({ level: 'silent', pretty: false, serverId: 'test' })
  const metrics = createMetrics('test')
  const cluster = createAlone()
  const feeds = new Feeds({ store, cluster, headCheckMs: 2000, logger, metrics })
  const control = new Control({ store, feeds, reactions, renewed() {}, logger })
  cleanup(async () => {
    feeds.stop()
    metrics.stop()
  })
  return { store, cluster, feeds, control, logger, metrics }
}
