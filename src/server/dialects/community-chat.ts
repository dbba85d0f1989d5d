import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Message, MessageDelete, MessageEdit } from '../../protocol/chat.ts'
import type { Author, Envelope } from '../../protocol/envelope.ts'
import { field } from './fact.ts'

/** What travels on the community's sockets and on its app's Redis channels. */
export interface CommunityFrame {
  readonly type: string
  readonly payload?: unknown
}

// The last moment that can be written as a date.
const LAST_MS = 8_640_000_000_000_000

/** By kind of channel, how their frames name one. Projects are other families'; whoever wants to may take part. */
const NAMED = { room: 'roomId', group: 'groupId', project: 'projectId' } as const

type Named = { readonly [name in (typeof NAMED)[keyof typeof NAMED]]?: string }

/** `room:r1` as their frames name it: `{ roomId: 'r1' }`; nothing for a kind they have no name for. */
export function roomOf(channel: string): Named {
  const kind = kindOf(channel)
  return Object.hasOwn(NAMED, kind) ? { [NAMED[kind as keyof typeof NAMED]]: idOf(channel) } : {}
}

/** The channels that a frame's payload names, the room first; whether they are addresses is not looked at. */
export function channelsIn(payload: unknown): string[] {
  return Object.entries(NAMED).flatMap(([kind, name]) => {
    const id = field(payload, name)
    return id && (typeof id === 'string' || typeof id === 'number') ? `${kind}:${id}` : []
  })
}

/** How a person is called. */
export function nameOf(user: Author | null): string {
  return user?.name ?? 'Unknown'
}

/** A time as these clients read it. */
export function isoTime(ms: number): string {
  return new Date(Math.min(ms, LAST_MS)).toISOString()
}

/** A chat fact as the frame that tells it; undefined for any other fact. */
export function chatFrame({ type, channel, payload }: Envelope): CommunityFrame | undefined {
  const room = roomOf(channel)
  switch (type) {
    case 'message:send':
      return { type: 'CHAT_MESSAGE', payload: chatMessage(payload as unknown as Message) }
    case 'message:edit': {
      const { messageId, content } = payload as unknown as MessageEdit
      return { type: 'MESSAGE_EDIT', payload: { messageId, content, ...room } }
    }
    case 'message:delete': {
      const { messageId } = payload as unknown as MessageDelete
      return { type: 'MESSAGE_DELETE', payload: { messageId, ...room } }
    }
    default:
      return undefined
  }
}

/** A message as it was sent. Its author's id is empty where a server wrote it for nobody. */
function chatMessage({ id, channel, content, user, createdAt }: Message) {
  return {
    id,
    content,
    ...roomOf(channel),
    authorId: user?.id ?? '',
    authorName: nameOf(user),
    ...(user?.image !== undefined && { authorImage: user.image }),
    isEdited: false,
    createdAt: isoTime(createdAt),
  }
}

/** A message as it stands, as their HTTP API tells it: what a message has not is null. */
export function messageData({ id, channel, content, user, createdAt, editedAt, deletedAt }: Message) {
  const { roomId = null, groupId = null } = roomOf(channel)
  return {
    id,
    content,
    roomId,
    groupId,
    authorId: user?.id ?? '',
    authorName: nameOf(user),
    authorImage: user?.image ?? null,
    isEdited: editedAt !== undefined,
    isDeleted: deletedAt !== undefined,
    createdAt: isoTime(createdAt),
    updatedAt: isoTime(deletedAt ?? editedAt ?? createdAt),
  }
}
