import { clientEvents, type DeclaredFact } from '../protocol/client-events.ts'
import type { Envelope } from '../protocol/envelope.ts'
import { MAX_REPLY_BYTES } from '../protocol/limits.ts'
import { Blocks } from './access/blocks.ts'
import { Members, memberKey, memberRules, withMembers } from './access/members.ts'
import { withOwnChannel, withOwnDashboard } from './access/policy.ts'
import { Revocations } from './access/revocations.ts'
import { createAppSide } from './app-side.ts'
import { createAuthenticator } from './auth/authenticator.ts'
import { createOlderIdentity } from './auth/older-identity.ts'
import { Channels } from './channels/channels.ts'
import { Control } from './channels/control.ts'
import { Feeds } from './channels/feeds.ts'
import { Chat } from './chat/chat.ts'
import { chatRules } from './chat/rules.ts'
import type { ClusterListener } from './cluster/cluster.ts'
import { clusterKey } from './cluster-key.ts'
import { believesClaims } from './config/believes-claims.ts'
import type { Options } from './config/config.ts'
import { OLDER_EVENTS } from './dialects/older-events.ts'
import { Documents } from './documents/documents.ts'
import { createDocumentRules } from './documents/rules.ts'
import { createHandlers, depart } from './handlers.ts'
import { joinCluster } from './join-cluster.ts'
import { Membership } from './membership.ts'
import { NodeCounts } from './node-counts.ts'
import type { Logger } from './observe/logger.ts'
import type { Metrics } from './observe/metrics.ts'
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
import type { Stops } from './stops.ts'
import type { Store } from './store/store.ts'
import { Welcome } from './welcome.ts'

const TRIM_EVERY_MS = 600_000

export type House = Awaited<ReturnType<typeof openHouse>>

/**
 * Puts the rooms of an instance together, from the store outwards to the sessions: all but the doors. What it starts is
 * left with `stops`.
 * @throws Error when the store cannot be opened
 */
export async function openHouse(
  options: Options,
  declared: Readonly<Record<string, DeclaredFact>>,
  { logger, metrics, stops }: { logger: Logger; metrics: Metrics; stops: Stops },
) {
  const { serverId, maxMessageBytes, maxChannels, maxCatchUp, jwtIssuer, jwtAudience } = options
  const maxReplyBytes = Math.min(MAX_REPLY_BYTES, options.maxOutboundBytes / 2)
  const secrets = secretsOf(options)
  const store = await openStore(options, logger)
  stops.add(() => store.close())
  const appKey = options.communityRedis ? await clusterKey(store, 'app') : undefined
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
      logger.debug({ session: session.id, user: session.userId, clean }, 'disconnected')
      for (const channel of session.channels) depart(session, channel, rooms, clean)
    },
    counted(userId) {
      connectionCount.changed(userId)
      appSide?.keys.online(userId, sessions.count(userId) > 0)
    },
  })
  const connectionCount = new ConnectionCount({ ...options, cluster, here: (userId) => sessions.count(userId) })
  const appSide = createAppSide(options, appKey, {
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

  return {
    store,
    cluster,
    adapter: joined.adapter,
    secrets,
    events,
    ...rooms,
    chat,
    documents,
    members,
    membership,
    blocks,
    people,
    revocations,
    access,
    operations,
    olderOperations,
    authenticator,
    olderIdentity,
    sessions,
    dispatch,
    welcome,
    nodeCounts,
    appSide,
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
