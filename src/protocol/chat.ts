import { z } from 'zod'
import { channelAddress } from './channel.ts'

const content = z.string().min(1).max(4000)
const messageId = z.string().min(1).max(128)

export const messageSend = z.object({ content, id: messageId.optional(), replyTo: messageId.optional() })
export const messageEdit = z.object({ messageId, content })
export const messageDelete = z.object({ messageId })

export const messageListBody = z.object({
  channel: channelAddress,
  before: z.int().min(1).optional(),
  limit: z.int().min(1).max(100).default(50),
})
