import { clientEvents } from '../../../src/protocol/client-events.ts'
import type { Envelope } from '../../../src/protocol/envelope.ts'
import { Members, memberKey, memberRules, membersOnly, withMembers } from '../../../src/server/access/members.ts'
import { withOwnChannel } from '../../../src/server/access/policy.ts'
import { Revocations } from '../../../src/server/access/revocations.ts'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import { Channels } from '../../../src/server/channels/channels.ts'
import { Chat } from '../../../src/server/chat/chat.ts'
import { chatRules } from '../../../src/server/chat/rules.ts'
import { Documents } from '../../../src/server/documents/documents.ts'
import { createDocumentRules } from '../../../src/server/documents/rules.ts'
import { createHandlers, depart } from '../../../src/server/handlers.ts'
import { Membership } from '../../../src/server/membership.ts'
import { Operations } from '../../../src/server/operations.ts'
import { Presence } from '../../../src/server/presence/presence.ts'
import type { Connection, Outgoing } from '../../../src/server/session/connection.ts'
import { Dispatch } from '../../../src/server/session/dispatch.ts'
import { Sessions } from '../../../src/server/session/sessions.ts'
import { Signals } from '../../../src/server/signals/signals.ts'
import { openSqliteStore } from '../../../src/server/store/sqlite.ts'
import type { Store } from '../../../src/server/store/store.ts'
import { oneInstance } from '../one-instance.ts'
import { SECRET } from '../start-server.ts'
import { tokenFor } from '../token.ts'
import { type Answer, type Terminal, Transcript, type World } from './terminal.ts'

const PLENTY = { factsPerSecond: 1_000_000, signalsPerSecond: 1_000_000 }

/**
 * A server's rooms under ACCESS=members without doors, put together as `instance.ts` does, over a store whose answers
 * are late: so whatever waits for the store may be overtaken by something else.
 */
export async function openRooms(late: (store: Store) => Store): Promise<World> {
  const kept = await openSqliteStore({
    file: ':memory:',
    synchronous: 'normal',
    retention: { facts: 100_000, days: 7 },
  })
  const store = late(kept)
  const instance = oneInstance(store)
  const { logger, metrics, control } = instance
  const rules = { ...memberRules, ...chatRules, ...createDocumentRules() }
  const takeEffect = (fact: Envelope) => membership.takeEffect(fact)
  const reactions = { 'member:added': takeEffect, 'member:changed': takeEffect, 'member:removed': takeEffect }
  const limits = { maxCatchUp: 100_000, maxReplyBytes: 2 ** 22 }
  const channels = new Channels({ ...instance, standsBy: memberKey, rules, reactions, ...limits })
  const presence = new Presence({ ...instance, channels, graceMs: 5000 })
  const signals = new Signals({ ...instance, channels })
  const members = new Members(store)
  const events = clientEvents()
  const rooms = { channels, presence, signals }
  const handlers = createHandlers({
    ...rooms,
    events,
    olderEvents: new Map(),
    chat: new Chat(store),
    documents: new Documents(store),
    operations: new Operations(events, channels, logger),
    authenticator: createAuthenticator({ secrets: [SECRET], nextAuth: false }),
    access: withOwnChannel(withMembers(members, membersOnly)),
    revocations: new Revocations(store, control),
    maxReplyBytes: limits.maxReplyBytes,
  })
  const dispatch = new Dispatch({ events, olderEvents: new Map(), handlers, maxChannels: 100, logger, metrics })
  const sessions = new Sessions({
    limits: { ...PLENTY, maxChannels: 100 },
    maxConnectionsPerUser: 100,
    ended(session, clean) {
      for (const channel of session.channels) depart(session, channel, rooms, clean)
    },
  })
  const membership = new Membership({ ...rooms, members, sessions })

  return {
    tokenFor,
    async open(name, userId, echo) {
      const transcript = new Transcript()
      const identity = { id: userId, claims: {} }
      const session = sessions.open(pipe(name, transcript), { identity, expiresAt: Date.now() + 3_600_000 })
      return {
        name,
        userId,
        echo,
        entries: transcript.entries,
        get isOpen() {
          return transcript.isOpen
        },
        ask: (event, asked) =>
          transcript.ask(event, asked, (take) => {
            void dispatch.serve(session, event, asked, (answer) => take(copyOf(answer) as Answer))
          }),
        close() {
          transcript.close()
          sessions.close(session, true)
        },
      } satisfies Terminal
    },
    publish: (channel, fact) => channels.publish({ channel, ...fact, user: null, role: 'admin' }),
    async close() {
      for (const session of [...sessions]) sessions.close(session, true)
      await dispatch.idle()
      presence.stop()
      signals.stop()
      metrics.stop()
      await kept.close()
    },
  }
}

function pipe(id: string, transcript: Transcript): Connection {
  const close = () => transcript.close()
  return {
    id,
    address: '127.0.0.1',
    counts: 'people',
    older: false,
    ready: true,
    measure: () => 100,
    get open() {
      return transcript.isOpen
    },
    drained: () => new Promise((resolve) => setImmediate(resolve)),
    send: (event, body) => transcript.told(event, copyOf(body)),
    deliver(sent: readonly Outgoing[]) {
      for (const { event, body } of sent) transcript.told(event, copyOf(body))
    },
    entered() {},
    exited() {},
    close,
    reset: close,
    cut: close,
  }
}

/** As it would have travelled, and as it was when it did. */
function copyOf(body: unknown): unknown {
  return body === undefined ? undefined : JSON.parse(JSON.stringify(body))
}
