import cors from 'cors'
import express, { type Express } from 'express'
import helmet from 'helmet'
import { ConveneError } from '../../protocol/errors.ts'
import type { Channels } from '../channels/channels.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Store } from '../store/store.ts'
import { broadcastRoutes } from './broadcast.ts'
import { type DemoOptions, demoRoutes } from './demo.ts'
import { errorHandler, notFound } from './errors.ts'
import { eventsRoutes } from './events.ts'
import { healthRoutes } from './health.ts'
import { JSON_TYPES, requireJson } from './json-body.ts'
import { keyFromPath, requireKey } from './keys.ts'
import { metricsHandler } from './metrics.ts'
import type { ServicePublish } from './publish.ts'
import { statsRoutes } from './stats.ts'

export interface AppOptions {
  readonly apiKeys: readonly string[]
  readonly production: boolean
  readonly trustProxy: number
  readonly serverId: string
  /** Whether `/metrics` is served here, for callers with a key. */
  readonly serveMetrics: boolean
  /** None: no demo. */
  readonly demo: DemoOptions | undefined
  isOriginAllowed(origin: string | undefined): boolean
  isDraining(): boolean
  readonly channels: Channels
  readonly sessions: Sessions
  readonly store: Store
  readonly publish: ServicePublish
  readonly logger: Logger
  readonly metrics: Metrics
}

/** The HTTP side: what is public first, then what needs a key. */
export function createApp(options: AppOptions): Express {
  const { channels, sessions, metrics, publish } = options
  const app = express()
  app.disable('x-powered-by')
  app.set('trust proxy', options.trustProxy)
  app.set('query parser', 'simple')
  app.use(
    helmet({
      // Development is plain HTTP, where these two would turn the page's own requests away.
      strictTransportSecurity: options.production,
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: options.production ? [] : null } },
    }),
    cors({ origin: (origin, callback) => callback(null, options.isOriginAllowed(origin)), credentials: true }),
    keyFromPath,
    express.json({ limit: '100kb', type: JSON_TYPES }),
  )
  if (options.demo) app.use(demoRoutes(options.demo))
  app.use(healthRoutes(options))

  const withKey = requireKey(options.apiKeys, !options.production)
  app.use(['/broadcast', '/stats', '/metrics', '/api/v1'], withKey)
  app.post(
    ['/broadcast', '/api/v1/*route'],
    (_request, _response, next) => {
      if (options.isDraining()) throw new ConveneError('draining', 'Server is draining', { retryAfterMs: 1000 })
      next()
    },
    requireJson,
  )
  app.use(broadcastRoutes(channels, publish), eventsRoutes(channels, publish))
  app.use(statsRoutes(channels, sessions, options.serverId))
  if (options.serveMetrics) app.get('/metrics', metricsHandler(metrics))

  app.use(notFound, errorHandler(options.logger))
  return app
}
