import { z } from 'zod'
import { kindOf } from '../../protocol/channel.ts'
import type { Channels } from '../channels/channels.ts'
import type { ClusterHealth } from '../cluster/cluster.ts'
import { communityFailure } from './community-failure.ts'
import { OtherStatus, type Route, route } from './route.ts'

export interface CommunityHealthOptions {
  readonly channels: Channels
  readonly cluster: { readonly health: ClusterHealth }
  /** Whether the app is heard on its own Redis, where that is listened to. */
  readonly appSide?: { readonly isUp: boolean } | undefined
  /** Whose the connections at the community's door are, one of each connection of this instance. */
  communityUsers(): Iterable<string>
}

// Everybody may ask, and counting goes through every membership.
const SUBSCRIPTIONS_COUNT_FOR_MS = 1000

const health = z.object({
  data: z.object({
    websocket: z.object({
      totalConnections: z.int(),
      uniqueUsers: z.int(),
      averageConnectionsPerUser: z.number(),
      isHealthy: z.boolean(),
    }),
    pubsub: z.object({
      isHealthy: z.boolean(),
      publisherConnected: z.boolean(),
      subscriberConnected: z.boolean(),
      subscribedChannels: z.int().describe('Rooms and groups with members on this node, by whichever door.'),
      totalSubscriptions: z.int(),
    }),
    timestamp: z.iso.datetime(),
  }),
})

/** `GET /api/community/ws/health`: how much the community's sockets serve here. */
export function communityHealthRoutes(options: CommunityHealthOptions): readonly Route[] {
  const { channels, cluster, appSide, communityUsers } = options
  let subscriptions = { subscribedChannels: 0, totalSubscriptions: 0 }
  let countAgainAt = 0

  function countSubscriptions(): typeof subscriptions {
    if (performance.now() < countAgainAt) return subscriptions
    subscriptions = { subscribedChannels: 0, totalSubscriptions: 0 }
    for (const { channel, sessions } of channels.occupied()) {
      if (kindOf(channel) !== 'room' && kindOf(channel) !== 'group') continue
      subscriptions.subscribedChannels++
      subscriptions.totalSubscriptions += sessions.length
    }
    countAgainAt = performance.now() + SUBSCRIPTIONS_COUNT_FOR_MS
    return subscriptions
  }

  function describe(): z.infer<typeof health> {
    const users = [...communityUsers()]
    const uniqueUsers = new Set(users).size
    // Alone, an instance is connected to all there are.
    const connected = cluster.health !== 'degraded' && (appSide?.isUp ?? true)
    return {
      data: {
        websocket: {
          totalConnections: users.length,
          uniqueUsers,
          averageConnectionsPerUser: Math.round((100 * users.length) / Math.max(1, uniqueUsers)) / 100,
          isHealthy: true,
        },
        pubsub: {
          isHealthy: connected,
          publisherConnected: connected,
          subscriberConnected: connected,
          ...countSubscriptions(),
        },
        timestamp: new Date().toISOString(),
      },
    }
  }

  return [
    route({
      method: 'get',
      path: '/api/community/ws/health',
      name: 'getCommunityHealth',
      summary: "How much the community's sockets serve on this node, in the words of older callers.",
      may: 'public',
      reply: health,
      others: { 500: communityFailure },
      failure: () =>
        new OtherStatus(500, {
          success: false,
          error: { code: 'HEALTH_CHECK_FAILED', message: 'Failed to retrieve WebSocket health status' },
        }),
      handle: describe,
    }),
  ]
}
