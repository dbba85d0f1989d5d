import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { author, jsonObject } from './envelope.ts'
import { jsonBytes, MAX_STATE_BYTES } from './limits.ts'

/** What a person shows of themselves in a channel: any object of at most 4 KiB. */
export const presenceState = jsonObject.refine(
  (state) => jsonBytes(state) <= MAX_STATE_BYTES,
  `expected at most ${MAX_STATE_BYTES} bytes of JSON`,
)

/** [PRE1] One entry a user, however many sessions. `joinedAt` is in ms since 1970. */
export const presenceEntry = z.object({
  user: author,
  connections: z.int(),
  state: jsonObject,
  joinedAt: z.number(),
})
export type PresenceEntry = z.infer<typeof presenceEntry>

/** [PRE1] Those who came first are listed; `connections` are everybody's. */
export const presenceList = z.object({
  members: z.array(presenceEntry),
  connections: z.int(),
  /** How many people are here and not listed, because the list would be too long. Absent when all are. */
  omitted: z.int().optional(),
  /** [PRE5] Other instances are not reached: there may be people there who are not listed. Absent when all is well. */
  degraded: z.literal(true).optional(),
})
export type PresenceList = z.infer<typeof presenceList>

export const presenceListBody = z.object({ channel: channelAddress })
export const presenceUpdateBody = z.object({ channel: channelAddress, state: presenceState })

export const presenceJoin = z.object({ channel: channelAddress, member: presenceEntry })
export const presenceLeave = z.object({ channel: channelAddress, userId: z.string() })
export const presenceUpdate = z.object({ channel: channelAddress, userId: z.string(), state: jsonObject })
