import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { author } from './envelope.ts'
import { MAX_MESSAGE_LENGTH, MAX_MESSAGES } from './limits.ts'

/** What somebody writes: some text, not only blanks; lines and tabs are welcome, other control characters are not. */
const content = z
  .string()
  .max(MAX_MESSAGE_LENGTH)
  .regex(/\S/u, 'expected text that is not blank')
  .regex(/^(?:[^\p{Cc}\p{Cs}]|[\n\r\t])*$/u, 'expected text without control characters')
const messageId = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters')

/** One message of a channel's chat as it stands. `user` is null when a server wrote it for nobody. Times in ms since 1970. */
export const message = z.object({
  id: messageId,
  channel: channelAddress,
  /** Where it was sent. */
  seq: z.int().min(1),
  user: author.nullable(),
  /** Empty once deleted. */
  content: z.string(),
  replyTo: messageId.optional(),
  createdAt: z.number(),
  editedAt: z.number().optional(),
  deletedAt: z.number().optional(),
})
export type Message = z.infer<typeof message>

export const messageSend = z.object({ content, id: messageId.optional(), replyTo: messageId.optional() })
export type MessageSend = z.infer<typeof messageSend>
export const messageEdit = z.object({ messageId, content })
export type MessageEdit = z.infer<typeof messageEdit>
export const messageDelete = z.object({ messageId })
export type MessageDelete = z.infer<typeof messageDelete>

/** What everybody is told of an edit: the message as it is now. */
export const messageEdited = messageEdit.extend({ editedAt: z.number() })
export const messageDeleted = messageDelete.extend({ deletedAt: z.number() })

/** What the reply to a message adds: its id, whoever made it. */
export const messageReply = { messageId }

export const messageListBody = z.object({
  channel: channelAddress,
  before: z.int().min(1).optional(),
  limit: z.int().min(1).max(MAX_MESSAGES).default(50),
})
export type MessageListBody = z.infer<typeof messageListBody>

export const messageListReply = z.object({
  /** Newest first. */
  messages: z.array(message),
  hasMore: z.boolean(),
})
export type MessageListReply = z.infer<typeof messageListReply>

/** How far somebody has read; it never goes back. */
export const messageReadBody = z.object({ channel: channelAddress, seq: z.int().min(0) })
export type MessageReadBody = z.infer<typeof messageReadBody>

/** `unread`: messages of others after it. */
export const readPosition = z.object({ seq: z.int(), unread: z.int() })
export type ReadPosition = z.infer<typeof readPosition>
/** What the same person's other sessions in the channel are told. */
export const messageRead = readPosition.extend({ channel: channelAddress })
