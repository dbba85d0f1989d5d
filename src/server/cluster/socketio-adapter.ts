import { randomBytes } from 'node:crypto'
import { createAdapter, type RedisAdapter } from '@socket.io/redis-adapter'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { AdapterClient } from './adapter-client.ts'
import { guardAdapter } from './adapter-guard.ts'
import { countFailures } from './failures.ts'
import { OutageLog } from './outage-log.ts'
import { RedisLink } from './redis-link.ts'
import { checkedRedisUrl } from './redis-url.ts'

const MAX_MESSAGE_BYTES = 1_048_576

export interface SocketIoAdapterOptions {
  readonly url: string
  readonly prefix: string
  readonly logger: Logger
  readonly metrics: Metrics
}

/** For `new Server(http, { adapter })`. */
export interface SocketIoAdapter {
  readonly adapter: ReturnType<typeof createAdapter>
  /** Lets go of Redis. Closing twice is one close. */
  close(): Promise<void>
}

/**
 * Socket.IO's own adapter, classic format, for what an application or `@socket.io/redis-emitter` emits to rooms; nothing of
 * this server's own depends on it. It may not fail anybody: with Redis away emits reach this node's clients at once.
 * Resolves when Redis is reached or was found not to be.
 * @throws Error when `url` is no Redis URL
 */
export async function createSocketIoAdapter(options: SocketIoAdapterOptions): Promise<SocketIoAdapter> {
  const url = checkedRedisUrl(options.url)
  const failed = countFailures(options.metrics)
  const clients = new Set<AdapterClient>()
  const life = { url, probeChannel: `${options.prefix}:probe:${randomBytes(12).toString('hex')}`, sharding: false }
  const log = new OutageLog(options.logger, 'what is emitted with Socket.IO reaches this instance alone')
  const link = new RedisLink(life, log, {
    async begin(next) {
      for (const client of clients) await client.begin(next)
    },
    began() {
      const next = link.life
      for (const client of clients) if (next && !client.connected) client.begin(next).catch((error) => next.end(error))
    },
    ended() {
      failed('connection')
      for (const client of clients) client.ended()
    },
  })
  await link.start()

  // Socket.IO calls it with `new`.
  function adapter(namespace: unknown): RedisAdapter {
    const client: AdapterClient = new AdapterClient({
      failed,
      maxBytes: MAX_MESSAGE_BYTES,
      life: link.life,
      emptied: () => clients.delete(client),
    })
    clients.add(client)
    const key = `${options.prefix}:socket.io`
    return guardAdapter(createAdapter(client, client, { key })(namespace), `${key}-request#`, failed)
  }

  return { adapter, close: () => link.close() }
}
