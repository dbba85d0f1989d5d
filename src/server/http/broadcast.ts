import { z } from 'zod'
import { channelAddress, isChannelAddress } from '../../protocol/channel.ts'
import { factReply } from '../../protocol/envelope.ts'
import { parseBody } from '../../protocol/errors.ts'
import type { PresenceList } from '../../protocol/presence.ts'
import type { Channels } from '../channels/channels.ts'
import { PUBLISH_ERRORS, publishBody, type ServicePublish } from './publish.ts'
import { OtherStatus, type Route, route } from './route.ts'

export interface BroadcastOptions {
  readonly channels: Channels
  readonly presence: { read(channel: string): Promise<PresenceList> }
  readonly publish: ServicePublish
}

const projectId = z
  .string()
  .refine(
    (id) => isChannelAddress(`project:${id}`),
    'expected an id of at most 128 letters, digits and _ . @ -, like p1',
  )
const project = z.object({ projectId: projectId.optional() })

const fact = publishBody.extend({ type: z.string().describe('In either dialect: TASK_UPDATE is task:update') })

/** `POST /broadcast`: one fact from an app's server to everybody in a project. */
export function broadcastRoutes({ channels, presence, publish }: BroadcastOptions): readonly Route[] {
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
      // The words that existing callers know.
      others: { 400: z.object({ error: z.string() }) },
      errors: PUBLISH_ERRORS,
      async handle({ body }) {
        const { type, projectId, channel, ...rest } = (body ?? {}) as Record<string, unknown>
        if (!type || (!projectId && !channel)) {
          return new OtherStatus(400, { error: 'Missing required fields: type, projectId' })
        }
        const named = parseBody(project, { projectId }, 'broadcast')
        const address = parseBody(channelAddress, channel ?? `project:${projectId}`, 'channel')
        const stored = await publish(address, { ...rest, type: canonicalType(type) })
        const { epoch, seq, operationId, duplicate } = stored
        return {
          message: 'Broadcast sent',
          projectId: named.projectId ?? null,
          channel: address,
          // Of all nodes; in a `user:` channel, which is followed and not joined, those of this one.
          clientCount: Math.max((await presence.read(address)).connections, channels.sessionsIn(address)),
          epoch,
          seq,
          operationId,
          ...(duplicate && { duplicate }),
        }
      },
    }),
  ]
}

/** `TASK_UPDATE` is `task:update`; what is written in our way stays as it is. */
function canonicalType(type: unknown): unknown {
  if (typeof type !== 'string' || !/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(type)) return type
  return type.toLowerCase().replace('_', ':').replaceAll('_', '-')
}
