import type { Kysely } from 'kysely'
import type { Tables } from './tables.ts'

/** How much of each log is kept at least. */
export interface Retention {
  readonly facts: number
  readonly days: number
}

const DAY_MS = 86_400_000
// One statement's worth: facts wait for it, so it must be short.
const TRIM_AT_ONCE = 500

/**
 * [SEQ6] Lets go of what is both beyond the number and older than the days. The floor moves first, so a
 * crash in between leaves rows that nobody is promised, never a promise without its rows.
 */
export async function trimLogs(db: Kysely<Tables>, { facts, days }: Retention): Promise<number> {
  const cutoff = Date.now() - days * DAY_MS
  const long = await db
    .selectFrom('channels')
    .select(['id', 'head', 'floor'])
    .whereRef('head', '>=', (eb) => eb('floor', '+', facts))
    .execute()
  let trimmed = 0
  for (const { id, head, floor } of long) {
    const young = await db
      .selectFrom('events')
      .select('seq')
      .where('channel_id', '=', id)
      .where('timestamp', '>=', cutoff)
      .orderBy('seq')
      .limit(1)
      .executeTakeFirst()
    const goal = Math.min(head - facts + 1, young?.seq ?? head + 1)
    for (let next = floor; next < goal; ) {
      next = Math.min(next + TRIM_AT_ONCE, goal)
      // Another node may be trimming as well, and be further.
      await db.updateTable('channels').set({ floor: next }).where('id', '=', id).where('floor', '<', next).execute()
      const { numDeletedRows } = await db
        .deleteFrom('events')
        .where('channel_id', '=', id)
        .where('seq', '<', next)
        .executeTakeFirst()
      trimmed += Number(numDeletedRows)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
  return trimmed
}
