import { z } from 'zod'
import { messageDelete, messageEdit, messageListBody, messageSend } from './chat.ts'
import { documentListBody, layoutRestore, layoutUpdate, widgetBatch, widgetDelete, widgetUpdate } from './documents.ts'
import { FACT_TYPE, factBody, factReply, jsonObject } from './envelope.ts'
import { presenceList, presenceListBody, presenceUpdateBody } from './presence.ts'
import type { Right } from './roles.ts'
import {
  historyBody,
  historyReply,
  joinBody,
  joinReply,
  leaveBody,
  pingBody,
  pong,
  refreshBody,
  refreshReply,
} from './session.ts'
import { cursorBody, signalBody, typingBody } from './signals.ts'
import { syncBody } from './sync.ts'
import { commentPayload, editorPayload, projectPayload, taskPayload } from './tasks.ts'

const nothing = z.object({})

/** A question or an order, answered to the asker. `joined`: only members of the channel named in the body may send it. */
function request<B extends z.ZodType, R extends z.ZodType>(body: B, reply: R, needs: Right | null, joined: boolean) {
  return { kind: 'request', body, reply, needs, joined } as const
}

/** Kept: numbered, stored, delivered to every member. */
function fact<P extends z.ZodType>(payload: P, needs: Right) {
  return { kind: 'fact', body: factBody(payload), payload, reply: factReply, needs, joined: true } as const
}

/** Lossy: to the other members who are here now. */
function signal<B extends z.ZodType>(body: B) {
  return { kind: 'signal', body, reply: nothing, needs: 'signal', joined: true } as const
}

/** What a client may say: the body's schema, the reply's, the right it needs, and whether it is kept. */
export const CLIENT_EVENTS = {
  'channel:join': request(joinBody, joinReply, 'read', false),
  'channel:leave': request(leaveBody, nothing, null, true),
  'channel:history': { ...request(historyBody, historyReply, 'read', true), large: true },
  'presence:update': request(presenceUpdateBody, nothing, 'read', true),
  'presence:list': request(presenceListBody, presenceList, 'read', true),
  'document:list': request(documentListBody, nothing, 'read', true),
  'message:list': request(messageListBody, nothing, 'read', true),
  sync: request(syncBody, nothing, null, false),
  'auth:refresh': request(refreshBody, refreshReply, null, false),
  ping: request(pingBody, pong, null, false),

  'task:create': fact(taskPayload, 'edit'),
  'task:update': fact(taskPayload, 'edit'),
  'task:delete': fact(taskPayload, 'edit'),
  'task:move': fact(taskPayload, 'edit'),
  'comment:create': fact(commentPayload, 'comment'),
  'comment:update': fact(commentPayload, 'comment'),
  'comment:delete': fact(commentPayload, 'comment'),
  'project:update': fact(projectPayload, 'edit'),
  'project:delete': fact(projectPayload, 'admin'),
  'canvas:update': fact(editorPayload, 'edit'),
  'markdown:update': fact(editorPayload, 'edit'),
  'message:send': fact(messageSend, 'comment'),
  'message:edit': fact(messageEdit, 'comment'),
  'message:delete': fact(messageDelete, 'comment'),
  'widget:update': fact(widgetUpdate, 'edit'),
  'widget:delete': fact(widgetDelete, 'edit'),
  'widget:batch': fact(widgetBatch, 'edit'),
  'layout:update': fact(layoutUpdate, 'edit'),
  'layout:restore': fact(layoutRestore, 'edit'),

  typing: signal(typingBody),
  cursor: signal(cursorBody),
  signal: signal(signalBody),
} as const

export type ClientEventName = keyof typeof CLIENT_EVENTS
export type ClientBody<E extends ClientEventName> = z.output<(typeof CLIENT_EVENTS)[E]['body']>
export type ClientReply<E extends ClientEventName> = z.output<(typeof CLIENT_EVENTS)[E]['reply']>

/** One row of the table. */
export interface ClientEvent {
  readonly kind: 'request' | 'fact' | 'signal'
  readonly body: z.ZodType
  /** Of a fact: what stands in its body's `payload`. */
  readonly payload?: z.ZodType
  readonly reply: z.ZodType
  readonly needs: Right | null
  readonly joined: boolean
  /** Whether its reply may bring much of a log. */
  readonly large?: boolean
}

/** A fact that a deployment declares for itself. Without a payload schema any object will do; `needs` is `edit` unless said. */
export interface DeclaredFact {
  payload?: z.ZodType
  needs?: Right
}

/**
 * The whole table by name, with a deployment's own facts.
 * @throws Error when a name is not `noun:verb` or is already taken.
 */
export function clientEvents(declared: Record<string, DeclaredFact> = {}): ReadonlyMap<string, ClientEvent> {
  const table = new Map<string, ClientEvent>(Object.entries(CLIENT_EVENTS))
  for (const [name, { payload = jsonObject, needs = 'edit' }] of Object.entries(declared)) {
    if (!FACT_TYPE.test(name)) throw new Error(`"${name}" cannot be an event: expected noun:verb, like card:move`)
    if (table.has(name)) throw new Error(`"${name}" cannot be declared: it is an event of the protocol already`)
    table.set(name, fact(payload, needs))
  }
  return table
}
