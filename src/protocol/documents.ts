import { z } from 'zod'
import { channelAddress } from './channel.ts'
import { jsonObject } from './envelope.ts'
import { MAX_BATCH } from './limits.ts'

const widgetId = z.string().min(1).max(128)
const version = z.int().min(1)

export const widgetUpdate = z.object({ widgetId, data: jsonObject })
export const widgetDelete = z.object({ widgetId })
export const widgetBatch = z.object({
  operations: z
    .array(
      z.discriminatedUnion('type', [
        z.object({ type: z.literal('widget:update'), payload: widgetUpdate, baseVersion: version.optional() }),
        z.object({ type: z.literal('widget:delete'), payload: widgetDelete, baseVersion: version.optional() }),
      ]),
    )
    .min(1)
    .max(MAX_BATCH),
})
export const layoutUpdate = z.object({ layout: jsonObject })
export const layoutRestore = z.object({ version })

export const documentListBody = z.object({ channel: channelAddress })
