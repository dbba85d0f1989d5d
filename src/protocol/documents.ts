import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { jsonObject, operationId } from './envelope.ts'
import { MAX_BATCH } from './limits.ts'

const widgetId = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters')
const version = z.int().min(1)
/** The version somebody's write is based on; 0 when they believe that there is no such document. */
const baseVersion = z.int().min(0)

/** `layout`, or `widget:<widgetId>`. */
export const documentId = z
  .string()
  .max(135)
  .regex(/^(?:layout|widget:[^\p{Cc}\p{Cs}]{1,128})$/u, 'expected layout, or widget:<widgetId>')

/** A kept record as it stands. `updatedAt` in ms since 1970; `updatedBy` is a user's id, null when a server wrote it. */
export const keptDocument = z.object({
  id: documentId,
  data: jsonObject,
  version,
  updatedAt: z.number(),
  updatedBy: z.string().nullable(),
})
export type KeptDocument = z.infer<typeof keptDocument>

// Strict, because a baseVersion that stands in the payload, and not beside it, would be a change of others undone.
/** The fields of `data` are set, others stay; `null` removes a field. */
export const widgetUpdate = z.strictObject({ widgetId, data: jsonObject })
export type WidgetUpdate = z.infer<typeof widgetUpdate>
export const widgetDelete = z.strictObject({ widgetId })
export type WidgetDelete = z.infer<typeof widgetDelete>
export const widgetBatch = z.strictObject({
  operations: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({
          type: z.literal('widget:update'),
          payload: widgetUpdate,
          baseVersion: baseVersion.optional(),
        }),
        z.strictObject({
          type: z.literal('widget:delete'),
          payload: widgetDelete,
          baseVersion: baseVersion.optional(),
        }),
      ]),
    )
    .min(1)
    .max(MAX_BATCH),
})
export type WidgetBatch = z.infer<typeof widgetBatch>
export const layoutUpdate = z.strictObject({ layout: jsonObject })
export type LayoutUpdate = z.infer<typeof layoutUpdate>
export const layoutRestore = z.strictObject({ version })
export type LayoutRestore = z.infer<typeof layoutRestore>

// What everybody is told: what was written, and the version that made.
export const widgetUpdated = widgetUpdate.extend({ version })
export const widgetDeleted = widgetDelete.extend({ version })
export const widgetsChanged = z.object({
  operations: z.array(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('widget:update'), payload: widgetUpdated }),
      z.object({ type: z.literal('widget:delete'), payload: widgetDeleted }),
    ]),
  ),
})
export const layoutUpdated = layoutUpdate.extend({ version })
/** `version` is the new one, `restored` the one whose layout it has. */
export const layoutRestored = layoutUpdated.extend({ restored: version })

/** What the reply to a write adds. `merged`: others wrote other fields since `baseVersion`. */
export const documentReply = { version, merged: z.literal(true).optional() }
export const batchReply = { versions: z.array(version), merged: z.literal(true).optional() }

export const documentListBody = z.object({ channel: channelAddress })
/** The documents as they are after the fact `head`: what is delivered after it changes them further. */
export const documentListReply = z.object({ epoch: z.string(), head: z.int(), documents: z.array(keptDocument) })
export type DocumentListReply = z.infer<typeof documentListReply>

/**
 * [DOC5] `mine` and `merge` write `data`, of which the server keeps nothing before; `theirs` writes nothing and answers
 * with the document.
 */
export const conflictResolveBody = z.object({
  channel: channelAddress,
  operationId,
  documentId,
  resolution: z.enum(['mine', 'theirs', 'merge']),
  data: jsonObject.optional(),
  baseVersion,
})
/** Where the resolution stands in the log; of `theirs`, nothing does. */
export const conflictResolveReply = z.object({
  epoch: z.string().optional(),
  seq: z.int().optional(),
  operationId: z.string(),
  timestamp: z.number().optional(),
  duplicate: z.literal(true).optional(),
  merged: z.literal(true).optional(),
  version,
  /** With `theirs`: the document's. */
  data: jsonObject.optional(),
})
export type ConflictResolveReply = z.infer<typeof conflictResolveReply>

export type ConflictResolveBody = z.infer<typeof conflictResolveBody>
