import type { Kysely } from 'kysely'
import type { Author, Envelope } from '../../protocol/envelope.ts'
import type { LogState, Stretch } from './store.ts'
import type { Tables } from './tables.ts'

/** A channel's log as it stands, or undefined when it was never begun. */
export function logState(db: Kysely<Tables>, channel: string): Promise<LogState | undefined> {
  return db.selectFrom('channels').select(['epoch', 'head', 'floor']).where('address', '=', channel).executeTakeFirst()
}

/** Begins a log, unless somebody did meanwhile. */
export async function beginLog(db: Kysely<Tables>, channel: string, epoch: string): Promise<void> {
  await db
    .insertInto('channels')
    .values({ address: channel, epoch })
    .onConflict((conflict) => conflict.column('address').doNothing())
    .execute()
}

/** A stretch of a log, oldest first. */
export async function readLog(db: Kysely<Tables>, channel: string, stretch: Stretch): Promise<Envelope[]> {
  let query = db
    .selectFrom('events')
    .innerJoin('channels', 'channels.id', 'events.channel_id')
    .select(['type', 'epoch', 'seq', 'operation_id', 'user', 'payload', 'timestamp'])
    .where('channels.address', '=', channel)
    .orderBy('seq', stretch.newest ? 'desc' : 'asc')
    .limit(stretch.limit)
  if (stretch.after !== undefined) query = query.where('seq', '>', stretch.after)
  if (stretch.before !== undefined) query = query.where('seq', '<', stretch.before)
  const rows = await query.execute()
  if (stretch.newest) rows.reverse()
  return rows.map((row) => ({
    type: row.type,
    channel: channel as Envelope['channel'],
    epoch: row.epoch,
    seq: row.seq,
    operationId: row.operation_id,
    user: row.user === null ? null : (JSON.parse(row.user) as Author),
    payload: JSON.parse(row.payload) as Record<string, unknown>,
    timestamp: row.timestamp,
  }))
}
