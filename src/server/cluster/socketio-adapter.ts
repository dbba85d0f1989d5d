import { randomBytes } from 'node:crypto'
import { createAdapter, type RedisAdapter } from '@socket.io/redis-adapter'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { AdapterClient } from './adapter-client.ts'
import { countFailures, type Failed } from './failures.ts'
import { isBoundedMsgpack } from './msgpack-bounds.ts'
import { OutageLog } from './outage-log.ts'
import { RedisLink } from './redis-link.ts'
import { checkedRedisUrl } from './redis-url.ts'

const MAX_MESSAGE_BYTES = 1_048_576
const BRACE = 0x7b
const SERVER_SIDE_EMIT = 6
/** What Socket.IO lets nobody emit, so nobody did. */
const RESERVED = new Set<unknown>(['connect', 'connection', 'new_namespace'])

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

/** Parts of the adapter that are private and decide whether a process lives. */
interface Guardable {
  parser: { encode(message: unknown): Buffer; decode(message: Buffer): unknown }
  onrequest(channel: unknown, message: Buffer): Promise<unknown>
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

  return {
    adapter(namespace: unknown) {
      const client: AdapterClient = new AdapterClient({
        failed,
        maxBytes: MAX_MESSAGE_BYTES,
        life: link.life,
        emptied: () => clients.delete(client),
      })
      clients.add(client)
      const key = `${options.prefix}:socket.io`
      return guarded(createAdapter(client, client, { key })(namespace), `${key}-request#`, failed)
    },
    close: () => link.close(),
  }
}

/** Sees that nothing which comes from Redis throws or rejects out of the adapter. */
function guarded(adapter: RedisAdapter, requests: string, failed: Failed): RedisAdapter {
  const inside = adapter as unknown as Guardable
  const { encode, decode } = inside.parser
  const onrequest = inside.onrequest.bind(adapter)
  function read(message: Buffer): unknown {
    if (isBoundedMsgpack(message)) return decode(message)
    throw new Error('no MessagePack')
  }
  inside.parser = {
    encode(message) {
      try {
        return encode(message)
      } catch {
        // Too deep for it; this node's own clients get it all the same.
        failed('malformed')
        return Buffer.alloc(0)
      }
    },
    decode: read,
  }
  inside.onrequest = async (channel, message) => {
    try {
      const request: unknown = message[0] === BRACE ? JSON.parse(message.toString()) : read(message)
      if (!isSound(request, String(channel).startsWith(requests))) throw new Error('no request')
      await onrequest(channel, message)
    } catch {
      failed('malformed')
    }
  }
  return adapter
}

/** Whether a request, or an answer to one, may be looked at. */
function isSound(message: unknown, isRequest: boolean): boolean {
  if (typeof message !== 'object' || message === null) return false
  const { type, data } = message as { type?: unknown; data?: unknown }
  if (!isRequest || type !== SERVER_SIDE_EMIT) return true
  return Array.isArray(data) && typeof data[0] === 'string' && !RESERVED.has(data[0])
}
