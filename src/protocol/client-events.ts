import { z } from 'zod'
import {
  message,
  messageDelete,
  messageDeleted,
  messageEdit,
  messageEdited,
  messageListBody,
  messageListReply,
  messageReadBody,
  messageReply,
  messageSend,
  readPosition,
} from './chat.ts'
import {
  batchReply,
  conflictResolveBody,
  conflictResolveReply,
  documentListBody,
  documentListReply,
  documentReply,
  layoutRestore,
  layoutRestored,
  layoutUpdate,
  layoutUpdated,
  widgetBatch,
  widgetDelete,
  widgetDeleted,
  widgetsChanged,
  widgetUpdate,
  widgetUpdated,
} from './documents.ts'
import { FACT_TYPE, factBody, factReply, jsonObject } from './envelope.ts'
import { memberRemoved, memberSet } from './members.ts'
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
import { syncBody, syncReply } from './sync.ts'
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

/** A fact by which a kept record changes: everybody is told what came of it, and the reply says so too. */
function change<P extends z.ZodType, D extends z.ZodType, R extends z.ZodRawShape>(
  payload: P,
  needs: Right,
  delivers: D,
  reply: R,
) {
  return { ...fact(payload, needs), delivers, reply: factReply.extend(reply) } as const
}

/** Lossy: to the other members who are here now. */
function signal<B extends z.ZodType>(body: B) {
  return { kind: 'signal', body, reply: nothing, needs: 'signal', joined: true } as const
}

/** What a client may say: the body's schema, the reply's, the right it needs, and whether it is kept. */
export const CLIENT_EVENTS = {
  'channel:join': { ...request(joinBody, joinReply, 'read', false), holds: true },
  'channel:leave': { ...request(leaveBody, nothing, null, true), holds: true },
  'channel:history': { ...request(historyBody, historyReply, 'read', true), large: true },
  'presence:update': request(presenceUpdateBody, nothing, 'read', true),
  'presence:list': { ...request(presenceListBody, presenceList, 'read', true), large: true },
  'document:list': { ...request(documentListBody, documentListReply, 'read', true), large: true },
  'conflict:resolve': { ...request(conflictResolveBody, conflictResolveReply, 'edit', true), holds: true },
  'message:list': { ...request(messageListBody, messageListReply, 'read', true), large: true },
  'message:read': request(messageReadBody, readPosition, 'read', true),
  sync: request(syncBody, syncReply, null, false),
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
  'message:send': { ...change(messageSend, 'comment', message, messageReply), personal: true },
  'message:edit': { ...change(messageEdit, 'comment', messageEdited, messageReply), personal: true },
  'message:delete': { ...change(messageDelete, 'comment', messageDeleted, messageReply), personal: true },
  'widget:update': change(widgetUpdate, 'edit', widgetUpdated, documentReply),
  'widget:delete': change(widgetDelete, 'edit', widgetDeleted, documentReply),
  'widget:batch': change(widgetBatch, 'edit', widgetsChanged, batchReply),
  'layout:update': change(layoutUpdate, 'edit', layoutUpdated, documentReply),
  'layout:restore': change(layoutRestore, 'edit', layoutRestored, documentReply),
  'member:added': fact(memberSet, 'admin'),
  'member:changed': fact(memberSet, 'admin'),
  'member:removed': fact(memberRemoved, 'admin'),

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
  /** Of a fact: what stands in its envelope's `payload`, where that is not what was sent. */
  readonly delivers?: z.ZodType
  /** Of a fact: whether it is kept from whom its author blocked [MSG1]. */
  readonly personal?: boolean
  readonly reply: z.ZodType
  readonly needs: Right | null
  readonly joined: boolean
  /** Whether what is asked of the same channel after it waits for it [REQ5]. */
  readonly holds?: boolean
  /** Whether its reply may bring much; it holds the channel as well. */
  readonly large?: boolean
}

/** [MSG1] Whether facts of a type are kept from whom their author blocked. */
export function isPersonal(type: string): boolean {
  const event: ClientEvent | undefined = Object.hasOwn(CLIENT_EVENTS, type)
    ? CLIENT_EVENTS[type as ClientEventName]
    : undefined
  return event?.personal === true
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
