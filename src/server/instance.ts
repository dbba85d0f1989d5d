import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Express } from 'express'
import type { Server as SocketIoServer } from 'socket.io'
import type { DeclaredFact } from '../protocol/client-events.ts'
import type { Identity } from './auth/identity.ts'
import { shownIn } from './auth/older-identity.ts'
import type { Options } from './config/config.ts'
import { community } from './dialects/community.ts'
import { dashboard } from './dialects/dashboard.ts'
import { drain } from './drain.ts'
import { openHouse } from './house.ts'
import { createApp } from './http/app.ts'
import { metricsServer } from './http/metrics.ts'
import { createServicePublish, type ServicePublish } from './http/publish.ts'
import { listening } from './listening.ts'
import { createLogger } from './observe/logger.ts'
import { createMetrics } from './observe/metrics.ts'
import { Stops } from './stops.ts'
import { createAdmission } from './transports/admission.ts'
import type { Doorway } from './transports/doorway.ts'
import { isFromPage, isOriginAllowed, mayBeFromElsewhere } from './transports/origin.ts'
import { attachPlainWebSocket } from './transports/plain-websocket.ts'
import { attachSocketIo } from './transports/socketio.ts'

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url))
// Of a drain, kept for what follows it.
const DRAIN_RESERVE_MS = 2000

/** A running server without the HTTP server it hangs on. */
export interface Instance {
  readonly app: Express
  readonly io: SocketIoServer
  readonly publish: ServicePublish
  drain(): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts an instance. One that cannot be started leaves nothing behind.
 * @throws Error when the store cannot be opened
 */
export async function startInstance(
  options: Options,
  declared: Readonly<Record<string, DeclaredFact>>,
  http: HttpServer,
): Promise<Instance> {
  const stops = new Stops()
  try {
    return await putTogether(options, declared, http, stops)
  } catch (error) {
    await stops.stop().catch(() => {})
    throw error
  }
}

/** The house, and its doors. */
async function putTogether(
  options: Options,
  declared: Readonly<Record<string, DeclaredFact>>,
  http: HttpServer,
  stops: Stops,
): Promise<Instance> {
  const { serverId, allowedOrigins, jwtIssuer, jwtAudience } = options
  const production = options.nodeEnv === 'production'

  const logger = createLogger({ level: options.logLevel, pretty: !production, serverId })
  const metrics = createMetrics(serverId)
  stops.add(() => metrics.stop())
  if (options.metricsPort !== undefined) {
    const scraped = metricsServer(metrics)
    await listening(scraped, options.metricsPort, options.host).catch(refuseMetricsPort)
    stops.add(() => scraped.close())
  }
  const house = await openHouse(options, declared, { logger, metrics, stops })
  const { authenticator, olderIdentity, revocations, sessions, dispatch, welcome, channels } = house

  /** Who calls over HTTP with a person's token. */
  async function authenticate(token: string): Promise<Identity> {
    const { identity } = await authenticator.authenticate({ token })
    await revocations.check(identity)
    return identity
  }

  /** Who calls over HTTP as a client of an older family. */
  async function authenticateOlder(request: IncomingMessage): Promise<Identity> {
    const { url = '', headers } = request
    const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length))
    const shown = shownIn(headers, query, isFromPage(headers, allowedOrigins))
    // WebSockets say their Origin always, and are refused by it.
    const claimed = mayBeFromElsewhere(headers, allowedOrigins) ? undefined : shown.claimed
    const { identity } = await olderIdentity.identify({ ...shown, claimed })
    await revocations.check(identity)
    return identity
  }

  const admission = createAdmission(options.rateConnectionsPerMinute)
  let draining = false
  const doorway: Doorway = {
    admission,
    logger,
    metrics,
    authenticate: (credentials) => authenticator.authenticate(credentials),
    open: (connection, verified, before) => sessions.open(connection, verified, before),
    async prepare(session) {
      try {
        await welcome.prepare(session)
      } catch (error) {
        // Not counted any more from here on, however long the refusal takes to reach whoever does not read.
        sessions.close(session, true)
        throw error
      }
    },
    async ready(session) {
      await welcome.greet(session)
      logger.debug({ session: session.id, user: session.userId, address: session.connection.address }, 'connected')
    },
    serve: (session, event, body, reply) => dispatch.serve(session, event, body, reply),
    close: (session, clean) => sessions.close(session, clean),
  }
  const io = attachSocketIo(http, { ...options, ...doorway, adapter: house.adapter })
  stops.add(() => io.engine.close())
  if (olderIdentity.believesClaims)
    logger.warn('INSECURE_IDENTITY: clients of the older families are whoever they say they are')
  const plain = attachPlainWebSocket(http, {
    ...options,
    ...doorway,
    identity: olderIdentity,
  })
  stops.add(() => plain.stop())

  const publish = createServicePublish(house.events, (publication) => channels.publish(publication))
  const app = createApp({
    ...options,
    production,
    serveMetrics: options.metricsPort === undefined,
    demo: options.demo
      ? { root: PACKAGE, secret: house.secrets[0], issuer: jwtIssuer, audience: jwtAudience }
      : undefined,
    isOriginAllowed: (origin) => isOriginAllowed(origin, allowedOrigins),
    isDraining: () => draining,
    authenticate,
    authenticateOlder,
    communityUsers: () => Array.from(plain.clients(community), ({ session }) => session.userId),
    dashboardClients: () => plain.clients(dashboard),
    ...house,
    publish,
    logger,
    metrics,
  })
  metrics.gauge('convene_sessions', 'Sessions on this instance', () => sessions.size)
  metrics.gauge('convene_channels', 'Channels with members on this instance', () => channels.size)
  metrics.gauge('convene_presence', 'People present on this instance, once for each channel', () => house.presence.size)
  metrics.gauge('convene_typing', 'Sessions that are typing on this instance', () => house.signals.typing)

  return {
    app,
    io,
    publish,
    async drain() {
      draining = true
      admission.drain(1000)
      await drain(sessions, dispatch, Math.max(0, options.drainMs - DRAIN_RESERVE_MS))
    },
    stop: () => stops.stop(),
  }
}

function refuseMetricsPort(cause: NodeJS.ErrnoException): never {
  throw new Error(`METRICS_PORT cannot be listened on (${cause.code}); give another, or leave it unset`, { cause })
}
