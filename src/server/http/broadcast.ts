import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { FACT_TYPE, factReply } from '../../protocol/envelope.ts'
import { ConveneError, ERRORS, type ErrorBody, errorBody, parseBody } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import type { PresenceList } from '../../protocol/presence.ts'
import type { Channels } from '../channels/channels.ts'
import { isObject } from '../dialects/fact.ts'
import { keptId, toldId } from '../dialects/kept-id.ts'
import { factName } from '../dialects/names.ts'
import { OTHER, otherPayload } from '../dialects/older-events.ts'
import { PROJECT_ID_FORM, projectAddress } from '../dialects/project-id.ts'
import { isDeeper } from './depth.ts'
import { publishBody, type ServicePublish } from './publish.ts'
import { OtherStatus, type Route, route } from './route.ts'

export interface BroadcastOptions {
  readonly channels: Channels
  readonly presence: { read(channel: string): Promise<PresenceList> }
  readonly publish: ServicePublish
  readonly events: ReadonlyMap<string, ClientEvent>
}

type Body = Readonly<Record<string, unknown>>

const projectId = z.string().refine((id) => projectAddress(id) !== undefined, PROJECT_ID_FORM)
const project = z.object({ projectId: projectId.optional() })

const fact = publishBody.extend({
  type: z
    .string()
    .describe('In either dialect: TASK_UPDATE is task:update; what is no such name is delivered as it is'),
  payload: z.unknown(),
})

/** The words that existing callers know. */
const olderError = z.object({ error: z.string() })
const refusal = z.object({ success: z.literal(false), error: errorBody })
const FAILURES = {
  400: z.union([olderError, refusal]),
  401: refusal,
  403: refusal,
  404: refusal,
  409: refusal,
  413: refusal,
  500: olderError,
  503: refusal,
}

/** `POST /broadcast`: one fact from an app's server to everybody in a project. */
export function broadcastRoutes({ channels, presence, publish, events }: BroadcastOptions): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/broadcast',
      name: 'broadcast',
      summary:
        'Stores one fact and delivers it to everybody in a project, or in a channel; in the words of older callers.',
      may: 'key',
      describedBody: z.union([fact.extend({ projectId }), fact.extend({ channel: channelAddress })]),
      reply: factReply.omit({ timestamp: true }).extend({
        message: z.literal('Broadcast sent'),
        projectId: z.string().nullable(),
        channel: channelAddress,
        clientCount: z.int(),
      }),
      others: FAILURES,
      failure,
      async handle({ body }) {
        const { type, projectId, channel, ...rest } = (body ?? {}) as Body
        if (!type || (!projectId && !channel)) {
          return new OtherStatus(400, { error: 'Missing required fields: type, projectId' })
        }
        const named = parseBody(project, { projectId }, 'broadcast')
        const address = parseBody(channelAddress, channel ?? `project:${projectId}`, 'channel')
        const isOlder = typeof type === 'string' && !FACT_TYPE.test(type)
        const stored = await publish(address, isOlder ? kept(address, type, rest, events) : { ...rest, type })
        const { epoch, seq, duplicate } = stored
        return {
          message: 'Broadcast sent',
          projectId: named.projectId ?? null,
          channel: address,
          // Of all nodes; in a `user:` channel, which is followed and not joined, those of this one.
          clientCount: Math.max((await presence.read(address)).connections, channels.sessionsIn(address)),
          epoch,
          seq,
          operationId: (isOlder && toldId(stored)) || stored.operationId,
          ...(duplicate && { duplicate }),
        }
      },
    }),
  ]
}

/**
 * [D5] A fact as older callers send it: any name, and any payload or none. What no fact can hold is kept beside its name.
 * They leave out what they have not got, or send `null`.
 */
function kept(channel: string, type: string, { payload, ...rest }: Body, events: BroadcastOptions['events']): Body {
  if (isDeeper(payload, MAX_DEPTH)) {
    throw new ConveneError('invalid', `payload: expected at most ${MAX_DEPTH} levels of arrays and objects`)
  }
  const name = factName(type)
  const isFact = name !== undefined && name !== OTHER && (events.get(name)?.kind ?? 'fact') === 'fact'
  const { operationId, userId, timestamp, ...others } = rest
  const given = operationId || undefined
  const isKept = given === undefined || typeof given === 'string'
  const content = { who: userId || null, type, channel, payload }
  return {
    ...others,
    ...(isFact && isObject(payload)
      ? { type: name, payload }
      : { type: OTHER, payload: parseBody(otherPayload, { type, payload }, 'broadcast') }),
    userId: userId || undefined,
    timestamp: timestamp || undefined,
    // What is no text is refused by its name.
    operationId: isKept ? keptId('http', given, content) : given,
  }
}

/** Whatever breaks is told in the words that existing callers know; what is theirs to mend, as everywhere. */
function failure(error: ErrorBody): OtherStatus {
  if (error.code === 'internal') return new OtherStatus(500, { error: 'Internal server error' })
  const { retryAfterMs } = error
  const retry = retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }
  return new OtherStatus(ERRORS[error.code].http ?? 500, { success: false, error }, retry)
}
