import type { z } from 'zod'
import type { ClientBody, ClientEvent, ClientEventName, ClientReply } from '../protocol/client-events.ts'
import { MAX_BATCH } from '../protocol/limits.ts'
import type { Right, Role } from '../protocol/roles.ts'
import type { AccessPolicy } from './access/policy.ts'
import type { Revocations } from './access/revocations.ts'
import type { Authenticator } from './auth/authenticator.ts'
import type { Channels } from './channels/channels.ts'
import type { Chat } from './chat/chat.ts'
import type { typingDirect, typingNamed } from './dialects/older-events.ts'
import type { Documents } from './documents/documents.ts'
import type { Operations } from './operations.ts'
import type { Presence } from './presence/presence.ts'
import type { Answer, Handler } from './session/dispatch.ts'
import { inLane } from './session/lane.ts'
import { refresh } from './session/refresh.ts'
import { requireJoined, requireRight } from './session/rights.ts'
import type { Session } from './session/session.ts'
import type { Signals } from './signals/signals.ts'

const QUESTIONS_A_REQUEST = 10
const BYTES_A_REQUEST = 16_384

type FactName = {
  [E in ClientEventName]: ClientReply<E> extends { seq: number; operationId: string } ? E : never
}[ClientEventName]
type Served = Exclude<ClientEventName, FactName>
/** One handler for each word of the table that is not a fact: leaving one out does not compile. */
type Handlers = { [E in Served]: Handler<ClientBody<E>, Partial<ClientReply<E>>> }

/** The rooms that serve a session's requests. */
export interface HandlersOptions {
  readonly events: ReadonlyMap<string, ClientEvent>
  /** What only the dialects of older families may ask for. */
  readonly olderEvents: ReadonlyMap<string, ClientEvent>
  readonly channels: Channels
  readonly presence: Presence
  readonly signals: Signals
  readonly chat: Chat
  readonly documents: Documents
  readonly operations: Operations
  readonly authenticator: Authenticator
  readonly access: AccessPolicy
  readonly revocations: Revocations
  /** Bytes that a reply may have. */
  readonly maxReplyBytes: number
}

/** Who serves which word: the one place where the features meet the session. */
export function createHandlers(options: HandlersOptions): ReadonlyMap<string, Handler> {
  const { channels, presence, signals, chat, documents, authenticator, access, revocations } = options
  // Beside what else the reply to a join brings.
  const maxListBytes = options.maxReplyBytes / 2

  /** Asked when the session hears of every change already: one that comes after the answer takes it out again. */
  async function admit(session: Session, channel: string): Promise<Role> {
    const standing = session.standing(channel)
    const answer = await access.role(session.identity, channel)
    const role = session.standing(channel) === standing ? answer : (session.role(channel) ?? null)
    // What was stored before they lost it is still theirs, and may have to come from another instance.
    if (!role && session.role(channel)) await channels.upToNow(channel)
    if (!role && session.role(channel)) expel(session, channel, 'forbidden', options)
    requireRight(channel, role, 'read')
    return role
  }

  const requests: Handlers = {
    'channel:join': async (session, body) => {
      const { channel } = body
      let standing: object | undefined
      let close = () => {}
      const joining = channels.join(session, body, {
        admit() {
          standing = session.standing(channel)
          return admit(session, channel)
        },
        async beside(role, { head }) {
          close = await presence.open(channel)
          return { role, unread: await chat.unread(channel, session.userId, head, [...session.blockedBy]) }
        },
        enter({ role }) {
          // A change that took effect since the question is newer than the answer.
          if (session.standing(channel) === standing) session.enter(channel, role)
          presence.enter(channel, session, body.state)
          return { role: session.role(channel) ?? role, presence: presence.list(channel, maxListBytes) }
        },
      })
      const { log, entered, open } = await joining.finally(() => close())
      return {
        reply: { channel, ...log, ...entered },
        afterwards() {
          open()
          // Removed before the reply had gone out: then this is the last word.
          if (!session.role(channel)) session.send('channel:left', { channel, reason: 'removed' })
        },
      }
    },
    'channel:leave': (session, { channel }) => {
      depart(session, channel, options)
      return { reply: {} }
    },
    'channel:history': async (session, body) => ({ reply: await channels.history(body, session) }),
    'presence:update': (session, { channel, state }) => {
      presence.update(channel, session, state)
      return { reply: {} }
    },
    'presence:list': (_session, { channel }) => ({ reply: presence.list(channel, maxListBytes) }),
    'document:list': async (session, { channel }) => ({
      reply: await channels.asMember(session, channel, () => documents.list(channel)),
    }),
    'conflict:resolve': async (session, body) => {
      const resolution = await channels.asMember(session, body.channel, () => documents.resolution(body))
      if ('reply' in resolution) return { reply: resolution.reply }
      // As it is by now.
      const role = requireJoined(body.channel, session.role(body.channel))
      requireRight(body.channel, role, 'edit')
      return publish(session, resolution.publish, role, 'edit')
    },
    'message:list': async (session, body) => ({
      reply: await channels.asMember(session, body.channel, () => chat.list(body, [...session.blockedBy])),
    }),
    'message:read': async (session, { channel, seq }) => {
      const { id, userId } = session
      // What is unread is counted as of now, whichever node was told of it first.
      await channels.upToNow(channel)
      const position = await channels.asMember(session, channel, (told) =>
        chat.read(channel, userId, seq, told, [...session.blockedBy]),
      )
      channels.tellPerson(channel, userId, 'message:read', { channel, ...position }, id)
      return { reply: position }
    },
    sync: async (session, { operations }) => {
      session.factRate.charge(Math.max(0, Math.min(operations.length, MAX_BATCH) - 1))
      const roleIn = (channel: string) => requireJoined(channel, session.role(channel))
      const asker = {
        user: session.author,
        origin: session.id,
        roleIn,
        roleAnew: roleIn,
        inTurn: async <T>(channel: string, body: unknown, serve: () => Promise<T>) =>
          inLane(session, channel, false, body, serve),
        spend: (bytes: number) => spend(session, bytes),
      }
      return { reply: { results: await options.operations.sync(asker, operations) } }
    },
    typing: (session, body) => {
      signals.type(session, body)
      return { reply: {} }
    },
    cursor: (session, body) => {
      signals.moveCursor(session, body)
      return { reply: {} }
    },
    signal: (session, body) => {
      signals.signal(session, body)
      return { reply: {} }
    },
    'auth:refresh': async (session, { token }) => {
      const check = (verified: Session['identity']) => revocations.check(verified)
      const lost = (channel: string) => expel(session, channel, 'forbidden', options)
      // It is a question for each channel, and others have their turn in between.
      session.factRate.charge(session.channels.length / QUESTIONS_A_REQUEST)
      const refreshed = session.refreshing
        .then(() => session.connection.drained())
        .then(() => refresh(session, token, authenticator, access, check, lost))
      session.refreshing = refreshed.catch(() => {})
      return { reply: await refreshed }
    },
    ping: () => ({ reply: { timestamp: Date.now() } }),
  }

  async function publish(
    session: Session,
    fact: Omit<Parameters<Channels['publish']>[0], 'user' | 'role' | 'origin'>,
    role: Role,
    needs: Right | null,
  ): Promise<Answer> {
    const { author: user, id: origin } = session
    const roleAnew = () => {
      const now = requireJoined(fact.channel, session.role(fact.channel))
      requireRight(fact.channel, now, needs)
      return now
    }
    const publication = { ...fact, user, role, roleAnew, origin, spend: (bytes: number) => spend(session, bytes) }
    return { reply: await channels.publish(publication) }
  }

  const handlers = new Map<string, Handler>(Object.entries(requests) as [string, Handler][])
  handlers.set('typing:named', (session, body) => {
    signals.type(session, body as z.infer<typeof typingNamed>)
    return { reply: {} }
  })
  handlers.set('typing:direct', (session, body) => {
    signals.typeTo(session, body as z.infer<typeof typingDirect>)
    return { reply: {} }
  })
  for (const [type, { kind, needs }] of [...options.olderEvents, ...options.events]) {
    if (kind !== 'fact') continue
    handlers.set(type, (session, body, role) =>
      publish(session, { ...(body as ClientBody<'task:create'>), type }, role, needs),
    )
  }
  return handlers
}

/** Has a session's rate pay for what everybody is told, which may be far more than it sent. */
function spend(session: Session, bytes: number): void {
  session.factRate.charge(Math.floor(bytes / BYTES_A_REQUEST))
}

/** Where a session that goes has left something. */
export type Rooms = Pick<HandlersOptions, 'channels' | 'presence' | 'signals'>

/** Takes a session out of a channel, whatever the reason. Not `clean`: it was lost, and its person may come back. */
export function depart(session: Session, channel: string, rooms: Rooms, clean = true): void {
  rooms.signals.leave(channel, session)
  rooms.channels.leave(session, channel)
  if (clean) rooms.presence.leave(channel, session)
  else rooms.presence.lose(channel, session)
  session.exit(channel)
}

/** [JOIN7] Takes a session out of a channel that it may not be in any more, and says so. */
export function expel(session: Session, channel: string, reason: 'forbidden' | 'removed', rooms: Rooms): void {
  depart(session, channel, rooms)
  session.send('channel:left', { channel, reason })
}
