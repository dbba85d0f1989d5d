import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { MAX_OPERATION_ID_LENGTH } from './limits.ts'

/** A fact's name, `noun:verb`. */
export const FACT_TYPE = /^[a-z][a-z0-9-]*:[a-z][a-z0-9-]*$/

/** [FACT1] Any `noun:verb`. */
export const factType = z.string().max(128).regex(FACT_TYPE, 'expected a fact name noun:verb, like task:update')

/** Any JSON object. */
export const jsonObject = z.record(z.string(), z.unknown())

/** The author's own id for one fact; it makes a retry safe. */
export const operationId = z
  .string()
  .min(1)
  .max(MAX_OPERATION_ID_LENGTH)
  // Control characters and halves of characters do not survive every store.
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters')

/** The place in a channel's log after which something is wanted. */
export const position = z.object({ epoch: z.string().min(1).max(64), seq: z.int().min(0) })
export type Position = z.infer<typeof position>

/** A person as others see them. */
export const author = z.object({ id: z.string(), name: z.string().optional(), image: z.string().optional() })
export type Author = z.infer<typeof author>

/** A fact as everyone receives it. `timestamp` is in ms since 1970; `user` is null when a server published it for nobody. */
export const envelope = z.object({
  type: z.string(),
  channel: channelAddress,
  epoch: z.string(),
  seq: z.int().min(1),
  operationId: z.string(),
  user: author.nullable(),
  payload: jsonObject,
  timestamp: z.number(),
})
export type Envelope = z.infer<typeof envelope>

/** [MSG1] A fact that is kept from whom its author blocked: only its place is told, so that the log has no gap. */
export const hiddenFact = z.object({
  type: z.literal('hidden'),
  channel: channelAddress,
  epoch: z.string(),
  seq: z.int().min(1),
})
export type HiddenFact = z.infer<typeof hiddenFact>

/** One place of a log as somebody is given it. */
export const logEntry = z.union([envelope, hiddenFact])
export type LogEntry = z.infer<typeof logEntry>

/** What a client sends to publish a fact with such a payload. */
export function factBody<P extends z.ZodType>(payload: P) {
  return z.object({
    channel: channelAddress,
    payload,
    operationId: operationId.optional(),
    baseVersion: z.int().min(0).optional(),
  })
}

/** The reply to a fact: it is stored, at this place. */
export const factReply = z.object({
  epoch: z.string(),
  seq: z.int(),
  operationId: z.string(),
  timestamp: z.number(),
  duplicate: z.literal(true).optional(),
})
export type FactReply = z.infer<typeof factReply>
