import { z } from 'zod'
import { type Envelope, envelope, jsonObject } from '../../protocol/envelope.ts'
import { type PresenceEntry, presenceEntry } from '../../protocol/presence.ts'

/** A stored fact. Lost, it is found in the store. */
export interface FactMessage {
  readonly kind: 'fact'
  readonly channel: string
  readonly fact: Envelope
}

/** What a session signals. Lost, it is lost. */
export interface SignalMessage {
  readonly kind: 'signal'
  readonly channel: string
  readonly event: string
  readonly body: Readonly<Record<string, unknown>>
  readonly from: { readonly sessionId: string; readonly userId: string; readonly name?: string | undefined }
  /** It may replace an earlier one of the same key that has not gone out yet. */
  readonly key?: string | undefined
}

/** What one person's other sessions are told, as how far they have read. */
export interface PersonalMessage {
  readonly kind: 'personal'
  readonly channel: string
  readonly userId: string
  readonly event: string
  readonly body: Readonly<Record<string, unknown>>
}

/** Who is present on another node, as it stands now; `entry: null` is nobody any more. Lost, it is read from the leases. */
export interface PresenceMessage {
  readonly kind: 'presence'
  readonly channel: string
  readonly node: string
  readonly userId: string
  /** Of one person on one node the higher is the newer. */
  readonly version: number
  readonly entry: SharedPresence | null
}

/** One person's presence on one node. */
export interface SharedPresence extends PresenceEntry {
  /** When the state was set, so that of several nodes' states the newest counts. */
  readonly stateAt: number
  /** One each for `connections`, for those who count who is here by sessions. */
  readonly sessions: readonly SharedSession[]
  /** The session that was lost last, as long as it is waited for there. */
  readonly lost?: string | undefined
  /**
   * Who was known to be lost elsewhere when a session last came to that node: it may be one of them. What came before
   * the loss was known is no coming back, however late it is heard.
   */
  readonly found?: readonly string[] | undefined
}

/** One session of a person: when it joined for the first time, and last; clients of older families do so often. */
export interface SharedSession {
  readonly id: string
  readonly since: number
  readonly joinedAt: number
}

/** What instances tell each other, each on the Redis channel of its collaboration channel. */
export type ClusterMessage = FactMessage | SignalMessage | PersonalMessage | PresenceMessage

export const sharedPresence: z.ZodType<SharedPresence> = presenceEntry.extend({
  stateAt: z.number(),
  sessions: z.array(z.object({ id: z.string(), since: z.number(), joinedAt: z.number() })),
  lost: z.string().optional(),
  found: z.array(z.string()).optional(),
})

// The log of the instances' own doings is no channel, so any text may name one here.
const channel = z.string().min(1)

const clusterMessage = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('fact'), channel, fact: envelope.extend({ channel }) }),
  z.object({
    kind: z.literal('signal'),
    channel,
    event: z.string(),
    body: jsonObject,
    from: z.object({ sessionId: z.string(), userId: z.string(), name: z.string().optional() }),
    key: z.string().optional(),
  }),
  z.object({ kind: z.literal('personal'), channel, userId: z.string(), event: z.string(), body: jsonObject }),
  z.object({
    kind: z.literal('presence'),
    channel,
    node: z.string(),
    userId: z.string(),
    version: z.int(),
    entry: sharedPresence.nullable(),
  }),
]) satisfies z.ZodType<ClusterMessage>

/** @throws Error when it is none, or a fact of another channel */
export function parseMessage(text: string): ClusterMessage {
  const message = clusterMessage.parse(JSON.parse(text))
  if (message.kind === 'fact' && message.fact.channel !== message.channel) throw new Error('a fact of another channel')
  return message
}
