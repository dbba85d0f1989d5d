import { AppMessages, type AppMessagesOptions } from './app-messages.ts'
import type { Options } from './config/config.ts'
import type { Presence } from './presence/presence.ts'
import type { ConnectionCount } from './session/connection-count.ts'
import type { Sessions } from './session/sessions.ts'
import { AppRedis } from './transports/app-redis.ts'

export interface AppSideRooms extends Omit<AppMessagesOptions, 'key'> {
  readonly presence: Pick<Presence, 'isElsewhere'>
  readonly sessions: Pick<Sessions, 'count'>
  readonly connectionCount: Pick<ConnectionCount, 'count'>
}

/** What an app that shares its Redis says there, and what it is shown. */
export interface AppSide extends Pick<AppRedis, 'keys' | 'isUp'> {
  start(): Promise<void>
  stop(): Promise<void>
}

/** Undefined where the app is not listened to: then there is no `key` either. */
export function createAppSide(
  { redisUrl: url, redisPrefix: prefix }: Options,
  key: Buffer | undefined,
  rooms: AppSideRooms,
): AppSide | undefined {
  if (key === undefined || url === undefined) return undefined
  const { presence, sessions, connectionCount, logger, metrics } = rooms
  const messages = new AppMessages({ ...rooms, key })
  const redis = new AppRedis({
    url,
    prefix,
    logger,
    metrics,
    take: (word) => messages.take(word),
    async isElsewhere(userId, channel) {
      if (channel !== undefined) return presence.isElsewhere(channel, userId)
      return (await connectionCount.count(userId)) > sessions.count(userId)
    },
  })
  return {
    keys: redis.keys,
    get isUp() {
      return redis.isUp
    },
    start: () => redis.start(),
    async stop() {
      await redis.stop()
      await messages.stop()
    },
  }
}
