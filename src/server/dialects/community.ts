import { randomUUID } from 'node:crypto'
import { kindOf } from '../../protocol/channel.ts'
import type { Author, Envelope } from '../../protocol/envelope.ts'
import type { ErrorBody } from '../../protocol/errors.ts'
import { type CommunityFrame, channelsIn, chatFrame, nameOf, roomOf } from './community-chat.ts'
import type { Answer, Door, PlainDialect, Self, Sender, Step } from './dialect.ts'
import { factOf, field, isObject, otherOf, placeOf, textOf } from './fact.ts'
import { SHARED_FACTS, upperName } from './names.ts'
import { MAX_NAME_LENGTH } from './older-events.ts'

/** The community's clients (VELONX), on `/api/community/ws?token=`. */
export const community: Door = {
  paths: ['/api/community/ws'],
  counts: 'people',
  letsInNobody: false,
  refusesWith: 401,
  sessionId: () => randomUUID(),
  closing: () => undefined,
  speak,
}

const PONG = text({ type: 'PONG', payload: {} })
// They have no frame of their own for an error.
const UNREADABLE = errorText('Invalid message format')

const UPPER_WORD = /^[A-Z][A-Z0-9_]*$/

function speak(self: Self): PlainDialect {
  /** The sender is told as well, as everybody in the room [D5]. */
  function type(payload: Record<string, unknown>): Step<string>[] {
    const [channel] = channelsIn(payload)
    if (channel === undefined) return []
    const isTyping = Boolean(payload.isTyping)
    const name = nameShown(self, payload)
    const answered = (answer: Answer) =>
      answer.ok ? [text(typingFrame(channel, self.user, isTyping, name))] : refused(answer.error, channel)
    // A name that no token vouches for is shown to these clients alone.
    if (name === undefined) return [{ ask: 'typing', body: { channel, isTyping }, answered }]
    return [{ ask: 'typing:named', body: { channel, isTyping, name }, answered }]
  }

  function typeTo(payload: Record<string, unknown>): Step<string>[] {
    const userId = textOf(payload.targetUserId)
    if (userId === undefined) return []
    const name = nameShown(self, payload)
    return [{ ask: 'typing:direct', body: { userId, isTyping: Boolean(payload.isTyping), name } }]
  }

  return {
    hear(frame) {
      const payload = field(frame, 'payload')
      switch (field(frame, 'type')) {
        case 'PING':
          return [{ ask: 'ping', body: {}, answered: (answer) => (answer.ok ? [PONG] : refused(answer.error)) }]
        case 'SUBSCRIBE':
          return isObject(payload) ? channelsIn(payload).map((channel) => join(channel, payload)) : UNREAD
        case 'UNSUBSCRIBE':
          return isObject(payload) ? channelsIn(payload).map(leave) : UNREAD
        case 'TYPING':
          return isObject(payload) ? type(payload) : UNREAD
        case 'DM_TYPING':
          return isObject(payload) ? typeTo(payload) : UNREAD
        default:
          return frame === null ? UNREAD : share(field(frame, 'type'), payload)
      }
    },
    tell(told) {
      // Everybody else was told with the same frame.
      if (told.event === 'channel:left') return [leftText(String(field(told.body, 'channel')), self.user.id)]
      return told.as(textsOf)
    },
    garbled: ({ code, message }) => (code === 'too_large' ? [errorText(message)] : [UNREADABLE]),
  }
}

const UNREAD: readonly Step<string>[] = [{ say: [UNREADABLE] }]

/** [D7] Whoever names a position, even none, is told of the new one, behind what it missed. */
function join(channel: string, payload: Record<string, unknown>): Step<string> {
  const wantsPlace = 'since' in payload
  const since = payload.since ?? undefined
  return {
    ask: 'channel:join',
    body: { channel, ...(since !== undefined && { since }) },
    answered(answer) {
      if (!answer.ok) return refused(answer.error)
      if (!wantsPlace) return []
      const { epoch, head: seq, recovered, reason } = answer
      const place = { channel, epoch, seq }
      const payload = { ...roomOf(channel), ...place, recovered, reason }
      const missed = (answer.events as readonly Envelope[]).flatMap((event) => textsOf(event.type, event))
      return [...missed, text({ type: 'SUBSCRIBED', payload }, place)]
    },
  }
}

/** [D1] Chat goes through HTTP; what all families share may be said here as well, and is told with the payload as it is. */
function share(type: unknown, payload: unknown): Step<string>[] {
  const ask = typeof type === 'string' ? SHARED_FACTS.get(type) : undefined
  if (!ask || !isObject(payload)) return []
  const answered = (answer: Answer) => (answer.ok ? [] : refused(answer.error))
  return channelsIn(payload).map((channel) => ({ ask, body: { channel, payload }, answered }))
}

/** Also a page that never got in unsubscribes as it closes. */
function leave(channel: string): Step<string> {
  return {
    ask: 'channel:leave',
    body: { channel },
    answered: (answer) => (answer.ok || answer.error.code === 'not_joined' ? [] : refused(answer.error)),
  }
}

/** An event as all these clients are told of it. */
function textsOf(event: string, body: unknown, from?: Sender): string[] {
  const fact = factOf(event, body)
  if (fact) return [text(factFrame(fact), placeOf(fact))]
  const frame = frameOf(event, (body ?? {}) as Told, from)
  return frame ? [text(frame)] : []
}

/** What the events below tell, each a part of it. */
interface Told {
  readonly userId: string
  readonly channel: string
  readonly user: Author
  readonly isTyping: boolean
  readonly member: { readonly user: Author }
  readonly name: string
  readonly payload: unknown
  readonly message: string
  /** The request that failed. */
  readonly event?: string
}

function frameOf(event: string, told: Told, from: Sender | undefined): CommunityFrame | undefined {
  switch (event) {
    case 'connected':
      return { type: 'USER_JOINED', payload: { userId: told.userId, message: 'Connected to WebSocket server' } }
    case 'typing':
      return typingFrame(told.channel, told.user, told.isTyping, from?.name)
    case 'presence:join':
      return { type: 'USER_JOINED', payload: { ...personOf(told.member.user), ...roomOf(told.channel) } }
    case 'presence:leave':
      return { type: 'USER_LEFT', payload: { userId: told.userId, ...roomOf(told.channel) } }
    case 'signal':
      // Of no session: the app itself says it. A client's own would be taken for the app's words.
      return from?.sessionId === '' && UPPER_WORD.test(told.name)
        ? { type: told.name, payload: told.payload }
        : undefined
    case 'error':
      // What ends the connection is said as it is closed.
      return told.event === undefined ? undefined : { type: 'MESSAGE_EDIT', payload: { error: told.message } }
    default:
      return undefined
  }
}

/** [D1] */
function factFrame(fact: Envelope): CommunityFrame {
  const { type, payload } = fact
  return otherOf(fact) ?? chatFrame(fact) ?? { type: upperName(type), payload }
}

/** Who writes in a room, or to one person alone. `name`: what they are called where no token says it. */
function typingFrame(channel: string, { id, name }: Author, isTyping: boolean, shown?: string): CommunityFrame {
  const person = { userId: id, userName: name ?? shown }
  const type = kindOf(channel) === 'user' ? 'DM_TYPING' : 'TYPING'
  return { type, payload: { ...person, ...roomOf(channel), isTyping } }
}

function personOf(user: Author) {
  return { userId: user.id, userName: nameOf(user), ...(user.image !== undefined && { userImage: user.image }) }
}

/** What a client calls itself whose token gives no name. */
function nameShown({ user }: Self, payload: unknown): string | undefined {
  return user.name === undefined ? textOf(field(payload, 'userName'))?.slice(0, MAX_NAME_LENGTH) : undefined
}

function leftText(channel: string, userId: string): string {
  return text({ type: 'USER_LEFT', payload: { userId, ...roomOf(channel) } })
}

/** @param channel where it was tried */
function refused({ code, message }: ErrorBody, channel?: string): string[] {
  return [errorText(code === 'not_joined' && channel ? `Send SUBSCRIBE for ${channel} first` : message)]
}

function errorText(error: string): string {
  return text({ type: 'MESSAGE_EDIT', payload: { error } })
}

function text({ type, payload }: CommunityFrame, place?: object): string {
  return JSON.stringify({ type, payload, ...place })
}
