import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { author } from './envelope.ts'
import { jsonBytes, MAX_POSITION_BYTES, MAX_SIGNAL_BYTES } from './limits.ts'

const context = z.string().max(256).optional()

function boundedJson(bytes: number) {
  return z
    .unknown()
    .refine((value) => value !== undefined, 'expected a value, got nothing')
    .refine((value) => jsonBytes(value) <= bytes, `expected at most ${bytes} bytes of JSON`)
}

export const typingBody = z.object({
  channel: channelAddress,
  isTyping: z.boolean(),
  context,
  /** The client's own time, passed on as it is. */
  timestamp: z.union([z.number(), z.string().max(64)]).optional(),
})
export const cursorBody = z.object({ channel: channelAddress, position: boundedJson(MAX_POSITION_BYTES), context })
export const signalBody = z.object({
  channel: channelAddress,
  name: z.string().min(1).max(64),
  payload: boundedJson(MAX_SIGNAL_BYTES),
})

export const typing = typingBody.extend({ user: author })
export const cursor = cursorBody.extend({ user: author, sessionId: z.string() })
export const signal = signalBody.extend({ user: author, sessionId: z.string() })
