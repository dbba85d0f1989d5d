import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import { factReply } from '../../protocol/envelope.ts'
import { ConveneError, errorBody } from '../../protocol/errors.ts'
import { MAX_BATCH } from '../../protocol/limits.ts'
import { historyBody, historyReply } from '../../protocol/session.ts'
import type { Channels } from '../channels/channels.ts'
import type { Logger } from '../observe/logger.ts'
import { toldOf } from './errors.ts'
import { PUBLISH_ERRORS, publishBody, type ServicePublish } from './publish.ts'
import { type Route, route } from './route.ts'

export interface EventsOptions {
  readonly channels: Channels
  readonly publish: ServicePublish
  readonly logger: Logger
}

const path = '/api/v1/channels/:channel/events'
const params = z.object({ channel: channelAddress })

const result = z.discriminatedUnion('ok', [
  // Some facts' replies add a version, an id.
  z.looseObject({ ok: z.literal(true), ...factReply.shape }),
  z.object({ ok: z.literal(false), error: errorBody }),
])

/** `GET|POST /api/v1/channels/:channel/events`: a channel's history, and publishing into it. */
export function eventsRoutes({ channels, publish, logger }: EventsOptions): readonly Route[] {
  return [
    route({
      method: 'get',
      path,
      name: 'listEvents',
      summary: 'Reads a stretch of the log, oldest first; the newest facts unless after says from where.',
      may: 'key',
      params,
      query: historyBody.omit({ channel: true }),
      reply: historyReply,
      errors: ['unavailable'],
      handle: ({ params, query }) => channels.history({ ...params, ...query }),
    }),
    route({
      method: 'post',
      path,
      name: 'publishEvents',
      summary: 'Stores one fact, or many with a result each, and delivers them to everybody in the channel.',
      may: 'key',
      params,
      // Each event is checked alone: of many, a malformed one is refused alone.
      describedBody: z.union([publishBody, z.object({ events: z.array(publishBody).min(1).max(MAX_BATCH) })]),
      reply: z.object({ results: z.array(result) }),
      errors: PUBLISH_ERRORS,
      async handle({ params: { channel }, body }) {
        const { events } = (body ?? {}) as { events?: unknown }
        if (events === undefined) return { results: [{ ok: true, ...(await publish(channel, body)) }] }
        if (!Array.isArray(events) || events.length === 0 || events.length > MAX_BATCH) {
          throw new ConveneError('invalid', `events: expected an array of 1 to ${MAX_BATCH} events`)
        }
        const outcomes = await Promise.allSettled(events.map((event) => publish(channel, event)))
        return { results: outcomes.map((outcome) => resultOf(outcome, logger)) }
      },
    }),
  ]
}

/** One that failed, however badly, takes nothing from the others: they are stored. */
function resultOf(outcome: PromiseSettledResult<z.infer<typeof factReply>>, logger: Logger): z.infer<typeof result> {
  if (outcome.status === 'fulfilled') return { ok: true, ...outcome.value }
  return { ok: false, error: toldOf(outcome.reason, logger, 'POST').toBody() }
}
