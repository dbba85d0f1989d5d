import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Express } from 'express'
import type { Server as SocketIoServer } from 'socket.io'
import { clientEvents, type DeclaredFact } from '../protocol/client-events.ts'
import type { Envelope } from '../protocol/envelope.ts'
import { MAX_REPLY_BYTES } from '../protocol/limits.ts'
import { Blocks } from './access/blocks.ts'
import { Members, memberKey, memberRules, withMembers } from './access/members.ts'
import { withOwnChannel, withOwnDashboard } from './access/policy.ts'
import { Revocations } from './access/revocations.ts'
import { createAppSide } from './app-side.ts'
import { createAuthenticator } from './auth/authenticator.ts'
import type { Identity } from './auth/identity.ts'
import { createOlderIdentity, shownIn } from './auth/older-identity.ts'
import { Channels } from './channels/channels.ts'
import { Control } from './channels/control.ts'
import { Feeds } from './channels/feeds.ts'
import { Chat } from './chat/chat.ts'
import { chatRules } from './chat/rules.ts'
import type { ClusterListener } from './cluster/cluster.ts'
import { believesClaims } from './config/believes-claims.ts'
import type { Options } from './config/config.ts'
import { community } from './dialects/community.ts'
import { dashboard } from './dialects/dashboard.ts'
import { OLDER_EVENTS } from './dialects/older-events.ts'
import { Documents } from './documents/documents.ts'
import { createDocumentRules } from './documents/rules.ts'
import { drain } from './drain.ts'
import { createHandlers, depart } from './handlers.ts'
import { createApp } from './http/app.ts'
import { metricsServer } from './http/metrics.ts'
import { createServicePublish, type ServicePublish } from './http/publish.ts'
import { joinCluster } from './join-cluster.ts'
import { listening } from './listening.ts'
import { Membership } from './membership.ts'
import { NodeCounts } from './node-counts.ts'
import { createLogger, type Logger } from './observe/logger.ts'
import { createMetrics } from './observe/metrics.ts'
import { openStore } from './open-store.ts'
import { Operations } from './operations.ts'
import { People } from './people.ts'
import { policyOf } from './policy-of.ts'
import { Presence } from './presence/presence.ts'
import { secretsOf } from './secrets-of.ts'
import { ConnectionCount } from './session/connection-count.ts'
import { Dispatch } from './session/dispatch.ts'
import { Sessions } from './session/sessions.ts'
import { Signals } from './signals/signals.ts'
import { Stops } from './stops.ts'
import type { Store } from './store/store.ts'
import { createAdmission } from './transports/admission.ts'
import type { Doorway } from './transports/doorway.ts'
import { isFromPage, isOriginAllowed } from './transports/origin.ts'
import { attachPlainWebSocket } from './transports/plain-websocket.ts'
import { attachSocketIo } from './transports/socketio.ts'
import { Welcome } from './welcome.ts'

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

/** Puts the rooms together, from the store outwards to the doors. */
async function putTogether(
  options: Options,
  declared: Readonly<Record<string, DeclaredFact>>,
  http: HttpServer,
  stops: Stops,
): Promise<Instance> {
  const { serverId, maxMessageBytes, maxChannels, maxCatchUp, allowedOrigins, jwtIssuer, jwtAudience } = options
  const production = options.nodeEnv === 'production'
  const maxReplyBytes = Math.min(MAX_REPLY_BYTES, options.maxOutboundBytes / 2)
  const secrets = secretsOf(options)

  const logger = createLogger({ level: options.logLevel, pretty: !production, serverId })
  const metrics = createMetrics(serverId)
  stops.add(() => metrics.stop())
  if (options.metricsPort !== undefined) {
    const scraped = metricsServer(metrics)
    await listening(scraped, options.metricsPort, options.host).catch(refuseMetricsPort)
    stops.add(() => scraped.close())
  }
  const store = await openStore(options, logger)
  stops.add(() => store.close())
  const others: ClusterListener = {
    received(message) {
      if (message.kind === 'fact') channels.heard(message.fact)
      else if (message.kind === 'personal')
        channels.tellPersonHere(message.channel, message.userId, message.event, message.body)
      else if (message.kind === 'presence') presence.receive(message)
      else signals.receive(message)
    },
    restored() {
      void feeds.check()
      presence.restored()
    },
    expired(node) {
      presence.expired(node)
    },
  }
  const joined = await joinCluster(options, { store, logger, metrics }, others)
  stops.add(() => joined.close())
  const { cluster } = joined
  const feeds = new Feeds({ store, cluster, headCheckMs: options.headCheckMs, logger, metrics })
  stops.add(() => feeds.stop())
  const control = new Control({
    store,
    feeds,
    logger,
    reactions: () => people.reactions,
    renewed() {
      for (const session of sessions) session.reset()
    },
  })
  const rules = { ...memberRules, ...chatRules, ...createDocumentRules({ maxBytes: maxReplyBytes }) }
  const takeEffect = (fact: Envelope) => membership.takeEffect(fact)
  const reactions = { 'member:added': takeEffect, 'member:changed': takeEffect, 'member:removed': takeEffect }
  const channels = new Channels({
    store,
    cluster,
    feeds,
    rules,
    reactions,
    standsBy: memberKey,
    logger,
    metrics,
    maxCatchUp,
    maxReplyBytes,
  })
  const presence = new Presence({
    channels,
    cluster,
    graceMs: options.presenceGraceMs,
    noticed: (channel, userId, isHere) => appSide?.keys.inChannel(channel, userId, isHere),
  })
  stops.add(() => presence.stop())
  const authenticator = createAuthenticator({
    secrets,
    publicKey: options.jwtPublicKey,
    jwksUrl: options.jwksUrl,
    issuer: jwtIssuer,
    audience: jwtAudience,
    nextAuth: options.nextAuth,
  })
  const olderIdentity = createOlderIdentity(authenticator, believesClaims(options))
  const signals = new Signals({
    channels,
    cluster,
    typed: (channel, userId, isTyping) => appSide?.keys.typing(channel, userId, isTyping),
  })
  stops.add(() => signals.stop())
  const chat = new Chat(store, maxReplyBytes)
  const documents = new Documents(store)
  const members = new Members(store)
  const revocations = new Revocations(store, control)
  const policy = policyOf(options, logger)
  stops.add(() => policy.stop?.())
  const access = withOwnChannel(withMembers(members, withOwnDashboard(policy)))
  const events = clientEvents(declared)
  const operations = new Operations(events, channels, logger)
  const olderOperations = new Operations(new Map([...OLDER_EVENTS, ...events]), channels, logger)
  const rooms = { channels, presence, signals }
  const served = {
    ...rooms,
    events,
    olderEvents: OLDER_EVENTS,
    chat,
    documents,
    operations,
    authenticator,
    access,
    revocations,
    maxReplyBytes,
  }
  const handlers = createHandlers(served)
  const dispatch = new Dispatch({ events, olderEvents: OLDER_EVENTS, handlers, maxChannels, logger, metrics })
  const sessions = new Sessions({
    limits: {
      factsPerSecond: options.rateFactsPerSecond,
      signalsPerSecond: options.rateSignalsPerSecond,
      maxChannels,
    },
    maxConnectionsPerUser: options.maxConnectionsPerUser,
    ended(session, clean) {
      for (const channel of session.channels) depart(session, channel, rooms, clean)
    },
    counted(userId) {
      connectionCount.changed(userId)
      appSide?.keys.online(userId, sessions.count(userId) > 0)
    },
  })
  const connectionCount = new ConnectionCount({ ...options, cluster, here: (userId) => sessions.count(userId) })
  const appSide = createAppSide(options, {
    store,
    channels,
    signals,
    presence,
    sessions,
    connectionCount,
    logger,
    metrics,
  })
  stops.add(() => appSide?.stop())
  const blocks = new Blocks(store, control, (userId) => sessions.of(userId))
  const people = new People({
    sessions,
    revocations,
    blocks,
    presence,
    control,
    count: (userId) => connectionCount.count(userId),
  })
  const membership = new Membership({ ...rooms, members, sessions })

  const nodeCounts = new NodeCounts({
    cluster,
    serverId,
    count: () => ({ sessions: sessions.size, channels: channels.size }),
  })
  stops.add(() => nodeCounts.stop())
  stops.add(trimNowAndThen(store, logger))
  await control.started
  await appSide?.start()

  const limits = { maxMessageBytes, maxChannels, maxCatchUp }
  const welcome = new Welcome({ channels, revocations, blocks, connectionCount, serverId, limits })

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
    const { identity } = await olderIdentity.identify(shownIn(headers, query, isFromPage(headers, allowedOrigins)))
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
    open: (connection, verified) => sessions.open(connection, verified),
    async prepare(session) {
      try {
        await welcome.prepare(session)
      } catch (error) {
        // Not counted any more from here on, however long the refusal takes to reach whoever does not read.
        sessions.close(session, true)
        throw error
      }
    },
    ready: (session) => welcome.greet(session),
    serve: (session, event, body, reply) => dispatch.serve(session, event, body, reply),
    close: (session, clean) => sessions.close(session, clean),
  }
  const io = attachSocketIo(http, { ...options, ...doorway, adapter: joined.adapter })
  stops.add(() => io.engine.close())
  if (olderIdentity.believesClaims)
    logger.warn('INSECURE_IDENTITY: clients of the older families are whoever they say they are')
  const plain = attachPlainWebSocket(http, {
    ...options,
    ...doorway,
    identity: olderIdentity,
  })
  stops.add(() => plain.stop())

  const publish = createServicePublish(events, (publication) => channels.publish(publication))
  const app = createApp({
    ...options,
    production,
    serveMetrics: options.metricsPort === undefined,
    demo: options.demo ? { root: PACKAGE, secret: secrets[0], issuer: jwtIssuer, audience: jwtAudience } : undefined,
    isOriginAllowed: (origin) => isOriginAllowed(origin, allowedOrigins),
    isDraining: () => draining,
    authenticate,
    authenticateOlder,
    communityUsers: () => Array.from(plain.clients(community), ({ session }) => session.userId),
    ...rooms,
    sessions,
    store,
    events,
    members,
    membership,
    chat,
    documents,
    blocks,
    people,
    cluster,
    appSide,
    nodeCounts,
    operations,
    olderOperations,
    dashboardClients: () => plain.clients(dashboard),
    access,
    publish,
    logger,
    metrics,
  })
  metrics.gauge('convene_sessions', 'Sessions on this instance', () => sessions.size)
  metrics.gauge('convene_channels', 'Channels with members on this instance', () => channels.size)
  metrics.gauge('convene_presence', 'People present on this instance, once for each channel', () => presence.size)
  metrics.gauge('convene_typing', 'Sessions that are typing on this instance', () => signals.typing)

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

/** [SEQ6] Returns the stop. What is being trimmed then need not be finished. */
function trimNowAndThen(store: Store, logger: Logger): () => void {
  let stopped = false
  function trim(): void {
    store.trim().catch((error: unknown) => {
      if (!stopped) logger.error({ err: error }, 'trimming failed')
    })
  }
  const timer = setInterval(trim, TRIM_EVERY_MS).unref()
  trim()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

function refuseMetricsPort(cause: NodeJS.ErrnoException): never {
  throw new Error(`METRICS_PORT cannot be listened on (${cause.code}); give another, or leave it unset`, { cause })
}
