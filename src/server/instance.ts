import type { Server as HttpServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Express } from 'express'
import type { Server as SocketIoServer } from 'socket.io'
import { isChannelAddress } from '../protocol/channel.ts'
import { clientEvents, type DeclaredFact } from '../protocol/client-events.ts'
import { MAX_REPLY_BYTES } from '../protocol/limits.ts'
import type { Connected } from '../protocol/session.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import { claimsPolicy } from './access/claims.ts'
import { openPolicy, withOwnChannel } from './access/policy.ts'
import { createAuthenticator } from './auth/authenticator.ts'
import { Channels } from './channels/channels.ts'
import { createAlone } from './cluster/alone.ts'
import type { Options } from './config/config.ts'
import { developmentSecret } from './development-secret.ts'
import { drain } from './drain.ts'
import { createHandlers, depart } from './handlers.ts'
import { createApp } from './http/app.ts'
import { metricsServer } from './http/metrics.ts'
import { createServicePublish, type ServicePublish } from './http/publish.ts'
import { listening } from './listening.ts'
import { createLogger } from './observe/logger.ts'
import { createMetrics } from './observe/metrics.ts'
import { Presence } from './presence/presence.ts'
import { Dispatch } from './session/dispatch.ts'
import { inLane } from './session/lane.ts'
import type { Session } from './session/session.ts'
import { Sessions } from './session/sessions.ts'
import { openSqliteStore } from './store/sqlite.ts'
import { createAdmission } from './transports/admission.ts'
import { isOriginAllowed } from './transports/origin.ts'
import { attachSocketIo } from './transports/socketio.ts'

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url))
const TRIM_EVERY_MS = 600_000
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
 * Puts the rooms together, from the store outwards to the doors.
 * @throws Error when the store cannot be opened
 */
export async function startInstance(
  options: Options,
  declared: Readonly<Record<string, DeclaredFact>>,
  http: HttpServer,
): Promise<Instance> {
  const { serverId, maxMessageBytes, maxChannels, maxCatchUp, allowedOrigins, jwtIssuer, jwtAudience } = options
  const production = options.nodeEnv === 'production'
  const maxReplyBytes = Math.min(MAX_REPLY_BYTES, options.maxOutboundBytes / 2)
  const databaseFile = options.databaseUrl.slice('sqlite:'.length)
  const secrets = options.jwtSecrets.length > 0 ? options.jwtSecrets : secretsOf(options, databaseFile)

  const logger = createLogger({ level: options.logLevel, pretty: !production, serverId })
  const metrics = createMetrics(serverId)
  const scraped = options.metricsPort === undefined ? undefined : metricsServer(metrics)
  if (scraped) await listening(scraped, options.metricsPort ?? 0, options.host).catch(refuseMetricsPort)
  const store = await openSqliteStore({
    file: databaseFile,
    synchronous: options.sqliteSynchronous,
    retention: { facts: options.eventsKept, days: options.eventsKeptDays },
  }).catch((error: unknown) => {
    scraped?.close()
    throw error
  })
  const cluster = createAlone()
  const channels = new Channels({ store, cluster, logger, metrics, maxCatchUp, maxReplyBytes })
  const presence = new Presence(channels)
  const authenticator = createAuthenticator({
    secrets,
    publicKey: options.jwtPublicKey,
    jwksUrl: options.jwksUrl,
    issuer: jwtIssuer,
    audience: jwtAudience,
    nextAuth: options.nextAuth,
  })
  const access = withOwnChannel(options.access === 'claims' ? claimsPolicy : openPolicy)
  const events = clientEvents(declared)
  const handlers = createHandlers({ events, channels, presence, authenticator, access })
  const dispatch = new Dispatch({ events, handlers, access, maxChannels, logger, metrics })
  const sessions = new Sessions({
    rates: { factsPerSecond: options.rateFactsPerSecond, signalsPerSecond: options.rateSignalsPerSecond },
    maxConnectionsPerUser: options.maxConnectionsPerUser,
    ended(session) {
      for (const channel of session.channels) depart(session, channel, { channels, presence })
    },
  })

  /** [CH3], [CON4] Joins a session to its own channel, then greets it. */
  async function ready(session: Session): Promise<void> {
    const own = `user:${session.identity.id}`
    // An id that is no part of an address, like auth0|123, has no channel of its own.
    const joined = isChannelAddress(own)
      ? await inLane(session, own, true, () => channels.follow(session, own))
      : undefined
    if (joined) session.enter(own, 'viewer')
    session.send('connected', {
      socketId: session.id,
      userId: session.identity.id,
      timestamp: new Date().toISOString(),
      protocol: PROTOCOL_VERSION,
      serverId,
      expiresAt: session.expiresAt,
      limits: { maxMessageBytes, maxChannels, maxCatchUp },
    } satisfies Connected)
    joined?.open()
  }

  const admission = createAdmission(options.rateConnectionsPerMinute)
  let draining = false
  const io = attachSocketIo(http, {
    ...options,
    admission,
    logger,
    metrics,
    ready,
    authenticate: (credentials) => authenticator.authenticate(credentials),
    open: (connection, verified) => sessions.open(connection, verified),
    serve: (session, event, body, reply) => dispatch.serve(session, event, body, reply),
    close: (session) => sessions.close(session),
  })

  const publish = createServicePublish(
    events,
    (publication) => channels.publish(publication),
    (type) => handlers.has(type),
  )
  const app = createApp({
    ...options,
    production,
    serveMetrics: options.metricsPort === undefined,
    demo: options.demo ? { root: PACKAGE, secret: secrets[0], issuer: jwtIssuer, audience: jwtAudience } : undefined,
    isOriginAllowed: (origin) => isOriginAllowed(origin, allowedOrigins),
    isDraining: () => draining,
    channels,
    sessions,
    store,
    publish,
    logger,
    metrics,
  })
  metrics.gauge('convene_sessions', 'Sessions on this instance', () => sessions.size)
  metrics.gauge('convene_channels', 'Channels with members on this instance', () => channels.size)
  let trimmed: Promise<unknown> = Promise.resolve()
  function trim(): void {
    trimmed = store.trim().catch((error: unknown) => logger.error({ err: error }, 'trimming failed'))
  }
  const trimming = setInterval(trim, TRIM_EVERY_MS).unref()
  trim()

  return {
    app,
    io,
    publish,
    async drain() {
      draining = true
      admission.drain(1000)
      await drain(sessions, dispatch, Math.max(0, options.drainMs - DRAIN_RESERVE_MS))
    },
    async stop() {
      clearInterval(trimming)
      scraped?.close()
      io.engine.close()
      await cluster.close()
      await trimmed
      await store.close().finally(() => metrics.stop())
    },
  }
}

/** A server in development that was given no way to verify anybody makes itself one. */
function secretsOf({ jwtPublicKey, jwksUrl }: Options, databaseFile: string): readonly string[] {
  return jwtPublicKey || jwksUrl ? [] : [developmentSecret(databaseFile)]
}

function refuseMetricsPort(cause: NodeJS.ErrnoException): never {
  throw new Error(`METRICS_PORT cannot be listened on (${cause.code}); give another, or leave it unset`, { cause })
}
