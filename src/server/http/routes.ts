import type { ClientEvent } from '../../protocol/client-events.ts'
import type { AccessPolicy } from '../access/policy.ts'
import type { Metrics } from '../observe/metrics.ts'
import { type BroadcastOptions, broadcastRoutes } from './broadcast.ts'
import { type CommunityOptions, communityRoutes } from './community.ts'
import { type CommunityHealthOptions, communityHealthRoutes } from './community-health.ts'
import { type DocumentsOptions, documentRoutes } from './documents.ts'
import { type EventsOptions, eventsRoutes } from './events.ts'
import { type HealthOptions, healthRoutes } from './health.ts'
import { type MembersOptions, memberRoutes } from './members.ts'
import { type MessagesOptions, messageRoutes } from './messages.ts'
import { metricsRoutes } from './metrics.ts'
import { type PresenceOptions, presenceRoutes } from './presence.ts'
import { type RealtimeOptions, realtimeRoutes } from './realtime.ts'
import type { Route } from './route.ts'
import { selfDescription } from './self-description.ts'
import { type StatsOptions, statsRoutes } from './stats.ts'
import { type SyncOptions, syncRoutes } from './sync.ts'
import { type UsersOptions, userRoutes } from './users.ts'

export interface RoutesOptions
  extends HealthOptions,
    StatsOptions,
    BroadcastOptions,
    EventsOptions,
    PresenceOptions,
    MembersOptions,
    CommunityHealthOptions,
    DocumentsOptions,
    RealtimeOptions,
    UsersOptions {
  readonly blocks: UsersOptions['blocks'] & MessagesOptions['blocks']
  readonly chat: CommunityOptions['chat']
  readonly access: AccessPolicy
  readonly operations: MessagesOptions['operations'] & SyncOptions['operations']
  /** Whether `/metrics` is served here, for callers with a key. */
  readonly serveMetrics: boolean
  readonly metrics: Metrics
  /** What clients may say, the deployment's own facts included. */
  readonly events: ReadonlyMap<string, ClientEvent>
}

/** The table of routes: all that is served over HTTP, but for the demo. */
export function createRoutes(options: RoutesOptions): readonly Route[] {
  const routes = [
    ...healthRoutes(options),
    ...broadcastRoutes(options),
    ...eventsRoutes(options),
    ...presenceRoutes(options),
    ...memberRoutes(options),
    ...messageRoutes(options),
    ...documentRoutes(options),
    ...userRoutes(options),
    ...syncRoutes(options),
    ...realtimeRoutes(options),
    ...communityRoutes(options),
    ...communityHealthRoutes(options),
    ...statsRoutes(options),
    ...(options.serveMetrics ? metricsRoutes(options.metrics) : []),
  ]
  return [...routes, ...selfDescription(routes, options.events)]
}
