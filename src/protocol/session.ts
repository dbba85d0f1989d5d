import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { logEntry, position } from './envelope.ts'
import { errorBody } from './errors.ts'
import { MAX_PAGE } from './limits.ts'
import { presenceList, presenceState } from './presence.ts'
import { ROLES } from './roles.ts'

export const joinBody = z.object({
  channel: channelAddress,
  since: position.optional(),
  last: z.int().min(0).max(MAX_PAGE).optional(),
  echo: z.boolean().optional(),
  state: presenceState.optional(),
})
export type JoinBody = z.infer<typeof joinBody>

/** [JOIN4] Why a session that came with a position is given none of what it missed. */
export const RESET_REASONS = ['epoch_changed', 'expired', 'too_many', 'ahead'] as const
export type ResetReason = (typeof RESET_REASONS)[number]

export const joinReply = z.object({
  channel: channelAddress,
  epoch: z.string(),
  head: z.int(),
  role: z.enum(ROLES),
  recovered: z.boolean(),
  reason: z.enum(RESET_REASONS).optional(),
  events: z.array(logEntry),
  presence: presenceList,
  /** Messages of others that were sent after what this person has read; counted up to 1000. */
  unread: z.int(),
})
export type JoinReply = z.infer<typeof joinReply>

export const leaveBody = z.object({ channel: channelAddress })

export const historyBody = z.object({
  channel: channelAddress,
  after: z.int().min(0).optional(),
  before: z.int().min(1).optional(),
  limit: z.int().min(1).max(MAX_PAGE).default(100),
})
export type HistoryBody = z.infer<typeof historyBody>

export const historyReply = z.object({
  epoch: z.string(),
  head: z.int(),
  floor: z.int(),
  events: z.array(logEntry),
})
export type HistoryReply = z.infer<typeof historyReply>

export const refreshBody = z.object({ token: z.string().min(1).max(16_384) })
export const refreshReply = z.object({ expiresAt: z.number().nullable() })

// Clients that emit nothing with an ack send null.
export const pingBody = z.object({}).nullish()
export const pong = z.object({ timestamp: z.number() })

/** [CON4] */
export const connected = z.object({
  socketId: z.string(),
  userId: z.string(),
  timestamp: z.iso.datetime(),
  protocol: z.int(),
  serverId: z.string(),
  expiresAt: z.number().nullable(),
  limits: z.object({ maxMessageBytes: z.int(), maxChannels: z.int(), maxCatchUp: z.int() }),
})
export type Connected = z.infer<typeof connected>

/** [JOIN7] */
export const channelLeft = z.object({ channel: channelAddress, reason: z.string() })

/** [LIFE1] */
export const expiring = z.object({ expiresAt: z.number() })

/** [LIFE3] */
export const shutdown = z.object({ message: z.string(), reconnectInMs: z.int() })

/** A failure of a request that asked for no reply, or of the session itself. */
export const failure = errorBody.extend({ event: z.string().optional(), operationId: z.string().optional() })
