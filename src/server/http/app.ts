import cors from 'cors'
import express, { type Express } from 'express'
import helmet from 'helmet'
import type { Logger } from '../observe/logger.ts'
import { type CallersOptions, createCallers } from './callers.ts'
import { type DemoOptions, demoRoutes } from './demo.ts'
import { errorHandler, notFound } from './errors.ts'
import { keyFromPath } from './keys.ts'
import { mount } from './mount.ts'
import { createRoutes, type RoutesOptions } from './routes.ts'

export interface AppOptions extends RoutesOptions, Omit<CallersOptions, 'loopbackWithoutKey'> {
  readonly production: boolean
  readonly trustProxy: number
  /** None: no demo. */
  readonly demo: DemoOptions | undefined
  readonly logger: Logger
}

/** The HTTP side: the demo, then the table of routes, then nothing. */
export function createApp(options: AppOptions): Express {
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
  )
  if (options.demo) app.use(demoRoutes(options.demo))

  const whoCalls = createCallers({ ...options, loopbackWithoutKey: !options.production })
  mount(app, createRoutes(options), { ...options, whoCalls })

  // Without a key nobody learns what there is.
  app.use(['/broadcast', '/stats', '/metrics', '/api/v1'], async (request, response, next) => {
    await whoCalls(request, response, 'key')
    next()
  })
  app.use(notFound, errorHandler(options.logger))
  return app
}
