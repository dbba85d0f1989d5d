import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { type FactReply, factType, jsonObject, operationId } from '../../protocol/envelope.ts'
import { ConveneError, parseBody } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import type { Publication } from '../channels/channels.ts'

/** A fact as an app's server sends it. */
export const publishBody = z.object({
  type: factType,
  payload: jsonObject,
  operationId: operationId.optional(),
  userId: z.string().min(1).max(256).optional(),
  timestamp: z.int().min(0).optional(),
})

/** Publishes for a caller with a key: any `noun:verb` [FACT1], a known one only if it is served, its payload checked. */
export function createServicePublish(
  events: ReadonlyMap<string, ClientEvent>,
  publish: (publication: Publication) => Promise<FactReply>,
  isServed: (type: string) => boolean,
) {
  return async (channel: unknown, body: unknown): Promise<FactReply> => {
    const address = parseBody(channelAddress, channel, 'channel')
    if (isDeeper(body, MAX_DEPTH)) {
      throw new ConveneError('invalid', `event: expected at most ${MAX_DEPTH} levels of arrays and objects`)
    }
    const fact = parseBody(publishBody, body, 'event')
    const event = events.get(fact.type)
    if (event && event.kind !== 'fact') throw new ConveneError('invalid', `event: type: ${fact.type} is not a fact`)
    if (event && !isServed(fact.type)) {
      throw new ConveneError('unknown_event', `${fact.type} is not served by this version yet`)
    }
    const payload = event?.payload ? parseBody(event.payload, fact.payload, fact.type) : fact.payload
    return publish({
      channel: address,
      type: fact.type,
      payload: payload as Record<string, unknown>,
      operationId: fact.operationId,
      timestamp: fact.timestamp,
      user: fact.userId === undefined ? null : { id: fact.userId },
    })
  }
}

export type ServicePublish = ReturnType<typeof createServicePublish>

/**
 * Whether a value has arrays and objects in more than so many levels. As of a client's body [REQ1]: some thousand more,
 * and whoever writes it as JSON runs out of stack, with everybody's facts of the same turn in hand.
 */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}
