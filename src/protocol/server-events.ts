import type { z } from 'zod'
import { messageRead } from './chat.ts'
import { hiddenFact } from './envelope.ts'
import { presenceJoin, presenceLeave, presenceUpdate } from './presence.ts'
import { channelLeft, connected, expiring, failure, pong, shutdown } from './session.ts'
import { cursor, signal, typing } from './signals.ts'

/** What a server may say beside facts, which are emitted as an event named by their type with an envelope as body. */
export const SERVER_EVENTS = {
  connected,
  error: failure,
  pong,
  'channel:left': channelLeft,
  'auth:expiring': expiring,
  'server:shutdown': shutdown,
  hidden: hiddenFact,
  'message:read': messageRead,
  'presence:join': presenceJoin,
  'presence:leave': presenceLeave,
  'presence:update': presenceUpdate,
  typing,
  cursor,
  signal,
} as const

export type ServerEventName = keyof typeof SERVER_EVENTS
export type ServerBody<E extends ServerEventName> = z.output<(typeof SERVER_EVENTS)[E]>
