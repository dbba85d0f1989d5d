import { z } from 'zod'

/** [DOC4] What stands against a write: the fields that others changed since, and the document as it is now. */
export const conflict = z.object({
  documentId: z.string(),
  /** What the write was based on. */
  baseVersion: z.int(),
  /** What to base the next try on. */
  version: z.int(),
  /** A field that one side removed, or never set, is null. */
  fields: z.array(z.object({ field: z.string(), mine: z.unknown(), theirs: z.unknown() })),
  data: z.record(z.string(), z.unknown()),
  /** Whether there is no document any more. */
  deleted: z.literal(true).optional(),
})
export type Conflict = z.infer<typeof conflict>
