import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import type { ClientEvent } from '../../protocol/client-events.ts'
import { type FactReply, factType, jsonObject, operationId } from '../../protocol/envelope.ts'
import { ConveneError, type ErrorCode, parseBody } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import { member } from '../../protocol/members.ts'
import type { Publication } from '../channels/publication.ts'
import { isDeeper } from './depth.ts'

/** What a fact may be refused with, whichever it is. */
export const PUBLISH_ERRORS: readonly ErrorCode[] = [
  'forbidden',
  'not_found',
  'too_large',
  'operation_mismatch',
  'conflict',
  'unavailable',
]

/** A fact as an app's server sends it. */
export const publishBody = z.object({
  type: factType,
  payload: jsonObject,
  operationId: operationId.optional(),
  baseVersion: z.int().min(0).optional(),
  userId: member.shape.userId.optional(),
  timestamp: z.int().min(0).optional(),
})

/** Publishes for a caller with a key: any `noun:verb` [FACT1], the payload of a known one checked. */
export function createServicePublish(
  events: ReadonlyMap<string, ClientEvent>,
  publish: (publication: Publication) => Promise<FactReply>,
) {
  return async (channel: unknown, body: unknown): Promise<FactReply> => {
    const address = parseBody(channelAddress, channel, 'channel')
    if (isDeeper(body, MAX_DEPTH)) {
      throw new ConveneError('invalid', `event: expected at most ${MAX_DEPTH} levels of arrays and objects`)
    }
    const fact = parseBody(publishBody, body, 'event')
    const event = events.get(fact.type)
    if (event && event.kind !== 'fact') throw new ConveneError('invalid', `event: type: ${fact.type} is not a fact`)
    const payload = event?.payload ? parseBody(event.payload, fact.payload, fact.type) : fact.payload
    return publish({
      channel: address,
      type: fact.type,
      payload: payload as Record<string, unknown>,
      operationId: fact.operationId,
      baseVersion: fact.baseVersion,
      timestamp: fact.timestamp,
      // Whether somebody may is for the server to know that speaks for them; only, others' messages are not theirs.
      ...(fact.userId === undefined
        ? { user: null, role: 'admin' as const }
        : { user: { id: fact.userId }, role: 'editor' as const }),
    })
  }
}

export type ServicePublish = ReturnType<typeof createServicePublish>
