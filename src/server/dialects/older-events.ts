import { z } from 'zod'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { factBody, factReply, jsonObject } from '../../protocol/envelope.ts'
import { typingBody } from '../../protocol/signals.ts'

function fact(payload: z.ZodType): ClientEvent {
  return { kind: 'fact', body: factBody(payload), payload, reply: factReply, needs: 'edit', joined: true }
}

/** What stands in for a fact whose name or payload the protocol has no form for. */
export const OTHER = 'event:other'
export const otherPayload = z.object({ type: z.string().min(1).max(128), payload: z.unknown().optional() })

/** Characters of what a client says its person is called. */
export const MAX_NAME_LENGTH = 256
const name = z.string().min(1).max(MAX_NAME_LENGTH)

/** Somebody writes to one other person, who need not have joined anything. `name` as below. */
export const typingDirect = z.object({
  userId: z.string().min(1).max(256),
  isTyping: z.boolean(),
  name: name.optional(),
})

/** Somebody writes whose token gives no name: what their client calls them is shown to older clients, and to nobody else. */
export const typingNamed = typingBody.extend({ name })

/** What only clients of the older families may say, beside the events of the protocol. */
export const OLDER_EVENTS: ReadonlyMap<string, ClientEvent> = new Map<string, ClientEvent>([
  [OTHER, fact(otherPayload)],
  ['sync:update', fact(jsonObject)],
  ['conflict:resolved', fact(jsonObject)],
  ['typing:named', { kind: 'signal', body: typingNamed, reply: z.object({}), needs: 'signal', joined: true }],
  ['typing:direct', { kind: 'signal', body: typingDirect, reply: z.object({}), needs: null, joined: false }],
])
