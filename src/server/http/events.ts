import { Router } from 'express'
import { channelAddress } from '../../protocol/channel.ts'
import { ConveneError, parseBody } from '../../protocol/errors.ts'
import { MAX_BATCH } from '../../protocol/limits.ts'
import { historyBody } from '../../protocol/session.ts'
import type { Channels } from '../channels/channels.ts'
import type { ServicePublish } from './publish.ts'

/** `GET|POST /api/v1/channels/:channel/events`: a channel's history, and publishing into it. */
export function eventsRoutes(channels: Channels, publish: ServicePublish): Router {
  const router = Router()

  router.get('/api/v1/channels/:channel/events', async (request, response) => {
    const { after, before, limit } = request.query
    const channel = parseBody(channelAddress, request.params.channel, 'channel')
    const body = { channel, after: numberOf(after), before: numberOf(before), limit: numberOf(limit) }
    response.json({ success: true, ...(await channels.history(parseBody(historyBody, body, 'query'))) })
  })

  router.post('/api/v1/channels/:channel/events', async (request, response) => {
    const { channel } = request.params
    const { events } = (request.body ?? {}) as { events?: unknown }
    if (events === undefined) {
      response.json({ success: true, results: [{ ok: true, ...(await publish(channel, request.body)) }] })
      return
    }
    parseBody(channelAddress, channel, 'channel')
    if (!Array.isArray(events) || events.length === 0 || events.length > MAX_BATCH) {
      throw new ConveneError('invalid', `events: expected an array of 1 to ${MAX_BATCH} events`)
    }
    const outcomes = await Promise.allSettled(events.map((event) => publish(channel, event)))
    const results = outcomes.map((outcome) => {
      if (outcome.status === 'fulfilled') return { ok: true, ...outcome.value }
      if (outcome.reason instanceof ConveneError) return { ok: false, error: outcome.reason.toBody() }
      throw outcome.reason
    })
    response.json({ success: true, results })
  })

  return router
}

/** A number of a query; what is not one stays as it is, for the schema to refuse by its name. */
function numberOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
}
