import { createHmac } from 'node:crypto'
import { isChannelAddress, kindOf } from '../../protocol/channel.ts'
import { type Message, messageDelete, messageEdit, messageSend } from '../../protocol/chat.ts'
import type { Author } from '../../protocol/envelope.ts'
import { member } from '../../protocol/members.ts'
import { field, textOf } from './fact.ts'

/** Where the app publishes, as Redis patterns. Its keys have names of the same beginning, and are no channels. */
export const APP_PATTERNS: readonly string[] = ['room:*', 'group:*']

/** Redis set: who has a connection. */
export const USERS_ONLINE = 'users:online'

/** How long a typing hash lasts after the last word of anybody in it. */
export const TYPING_TTL_SECONDS = 5

/** Redis set: who is in a channel. */
export function onlineKey(channel: string): string {
  return `${channel}:online`
}

/** Redis hash: who types in a channel, and since when in ms since 1970. */
export function typingKey(channel: string): string {
  return `${channel}:typing`
}

/** Whether the app knows such a channel. */
export function isAppChannel(channel: string): boolean {
  return isChannelAddress(channel) && ['room', 'group'].includes(kindOf(channel))
}

/** A fact of the chat, which the app has in its own database already. */
export interface AppFact {
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly messageId: string
  /** Who wrote a message that is new; what happens to one later is done in its author's name. */
  readonly user?: Author
  /** ms since 1970. */
  readonly timestamp?: number | undefined
  /** Whether a message is as the app says already. */
  isSo(message: Message): boolean
}

/** What the app says where it is no fact: passed on as it is. */
export interface AppSignal {
  readonly channel: string
  /** Whom it is about, as the app says; without an id where it does not say. */
  readonly user: Author
  readonly name: string
  readonly payload: unknown
}

/** What the app said on a channel: a fact that can be kept, or else a signal. */
export interface AppWord {
  readonly channel: string
  readonly fact?: AppFact | undefined
  readonly signal: AppSignal
}

const TYPE = /^[A-Z][A-Z0-9_]{0,63}$/
const MAX_NAME_CHARS = 256
const MAX_IMAGE_CHARS = 2048
const CLEAN = /^[^\p{Cc}\p{Cs}]+$/u

/** What `{ type, payload }`, published as JSON text on a channel, says; undefined when it says nothing. Does not throw. */
export function hearApp(channel: string, text: string): AppWord | undefined {
  if (!isAppChannel(channel)) return undefined
  const frame = parsed(text)
  const [name, payload = {}] = [field(frame, 'type'), field(frame, 'payload')]
  if (typeof name !== 'string' || !TYPE.test(name)) return undefined
  const user = personIn(payload, 'user') ?? personIn(payload, 'author') ?? { id: '' }
  return { channel, fact: factIn(name, payload), signal: { channel, user, name, payload } }
}

/**
 * The operationId of a fact: the same on every node that heard the same of its message before, so that it is kept once.
 * @param before what was heard, as one text
 * @param key without which nobody can tell the id beforehand: a client that took it would have the fact refused
 */
export function appOperationId({ type, messageId, payload }: AppFact, before: string, key: Buffer): string {
  const content = JSON.stringify([type, messageId, payload, before])
  return `app-${createHmac('sha256', key).update(content).digest('base64url')}`
}

/** The fact in a frame, where the protocol has a form for it. */
function factIn(name: string, payload: unknown): AppFact | undefined {
  if (name === 'CHAT_MESSAGE') {
    const sent = messageSend.safeParse({ id: field(payload, 'id'), content: field(payload, 'content') }).data
    const user = personIn(payload, 'author')
    if (sent?.id === undefined || !user) return undefined
    const timestamp = timeOf(field(payload, 'createdAt'))
    // Its words may be others by now.
    const isSo = (message: Message) => message.user?.id === user.id
    return { type: 'message:send', payload: sent, messageId: sent.id, user, timestamp, isSo }
  }
  if (name === 'MESSAGE_EDIT') {
    const edit = messageEdit.safeParse(payload).data
    if (!edit) return undefined
    // Also one that was deleted since: there is nothing to edit.
    const isSo = (message: Message) => message.deletedAt !== undefined || message.content === edit.content
    return { type: 'message:edit', payload: edit, messageId: edit.messageId, isSo }
  }
  if (name === 'MESSAGE_DELETE') {
    const removed = messageDelete.safeParse(payload).data
    if (!removed) return undefined
    const isSo = (message: Message) => message.deletedAt !== undefined
    return { type: 'message:delete', payload: removed, messageId: removed.messageId, isSo }
  }
  return undefined
}

/** The person in fields like `userId`, `userName` and `userImage`. */
function personIn(payload: unknown, who: 'user' | 'author'): Author | undefined {
  const id = member.shape.userId.safeParse(field(payload, `${who}Id`)).data
  if (id === undefined) return undefined
  const name = shown(field(payload, `${who}Name`), MAX_NAME_CHARS)
  const image = shown(field(payload, `${who}Image`), MAX_IMAGE_CHARS)
  return { id, ...(name !== undefined && { name }), ...(image !== undefined && { image }) }
}

function shown(value: unknown, maxChars: number): string | undefined {
  const text = textOf(value)
  return text !== undefined && text.length <= maxChars && CLEAN.test(text) ? text : undefined
}

/** ms since 1970; undefined when it is no time after that. */
function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : undefined
  return ms !== undefined && ms >= 0 ? ms : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
