import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { jsonObject, operationId } from './envelope.ts'
import { errorBody } from './errors.ts'
import { MAX_BATCH } from './limits.ts'

// A malformed operation is refused alone, so each is only checked for itself when its turn comes.
export const syncBody = z.object({ operations: z.array(z.unknown()).max(MAX_BATCH) })

/** One fact of many, as somebody made it while away. */
export const syncOperation = z.object({
  operationId,
  channel: channelAddress,
  type: z.string().max(128),
  payload: jsonObject,
  baseVersion: z.int().min(0).optional(),
})
export type SyncOperation = z.infer<typeof syncOperation>

/** What became of one operation: the reply its fact alone would have had. `operationId` is null where it had none. */
export const syncResult = z.discriminatedUnion('ok', [
  z.looseObject({
    ok: z.literal(true),
    operationId: z.string(),
    epoch: z.string(),
    seq: z.int(),
    timestamp: z.number(),
  }),
  z.object({ ok: z.literal(false), operationId: z.string().nullable(), error: errorBody }),
])
export type SyncResult = z.infer<typeof syncResult>
export const syncReply = z.object({ results: z.array(syncResult) })
