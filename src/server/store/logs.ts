import { type Expression, type Kysely, sql } from 'kysely'
import type { Author, Envelope } from '../../protocol/envelope.ts'
import type { LogHead, LogState, Stretch } from './store.ts'
import type { Tables } from './tables.ts'

// What is read at once of a stretch that is bounded by its bytes: few at first, as they may be large.
const FIRST_PAGE = 50
// Of an envelope beside what its author wrote: its names and numbers.
const ENVELOPE_BYTES = 200

/** A channel's log as it stands, or undefined when it was never begun. */
export function logState(db: Kysely<Tables>, channel: string): Promise<LogState | undefined> {
  return db.selectFrom('channels').select(['epoch', 'head', 'floor']).where('address', '=', channel).executeTakeFirst()
}

/** The heads of the logs that `among` names, of those that there are. */
export async function logHeads(db: Kysely<Tables>, among: Expression<unknown>): Promise<Map<string, LogHead>> {
  const { rows } = await sql<LogHead & { address: string }>`
    select address, epoch, head from channels where address ${among}`.execute(db)
  return new Map(rows.map(({ address, ...log }) => [address, log]))
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
  const facts: Envelope[] = []
  let bytes = 0
  let { after, before } = stretch
  for (let page = FIRST_PAGE; ; page *= 2) {
    const wanted = stretch.limit - facts.length
    const limit = stretch.maxBytes === undefined ? wanted : Math.min(page, wanted)
    const rows = await readRows(db, channel, { ...stretch, after, before, limit })
    for (const row of rows) {
      bytes += ENVELOPE_BYTES + Buffer.byteLength(row.payload)
      if (facts.length > 0 && bytes > (stretch.maxBytes ?? Infinity)) return inOrder(facts, stretch)
      facts.push(envelopeOf(channel, row))
    }
    if (rows.length < limit || facts.length >= stretch.limit) return inOrder(facts, stretch)
    if (stretch.newest) before = facts.at(-1)?.seq
    else after = facts.at(-1)?.seq
  }
}

function inOrder(facts: Envelope[], { newest }: Stretch): Envelope[] {
  return newest ? facts.reverse() : facts
}

type Row = Awaited<ReturnType<typeof readRows>>[number]

function readRows(db: Kysely<Tables>, channel: string, stretch: Stretch) {
  let query = db
    .selectFrom('events')
    .innerJoin('channels', 'channels.id', 'events.channel_id')
    .select(['type', 'epoch', 'seq', 'operation_id', 'user', 'payload', 'timestamp'])
    .where('channels.address', '=', channel)
    .orderBy('seq', stretch.newest ? 'desc' : 'asc')
    .limit(stretch.limit)
  if (stretch.after !== undefined) query = query.where('seq', '>', stretch.after)
  if (stretch.before !== undefined) query = query.where('seq', '<', stretch.before)
  return query.execute()
}

function envelopeOf(channel: string, row: Row): Envelope {
  return {
    type: row.type,
    channel: channel as Envelope['channel'],
    epoch: row.epoch,
    seq: row.seq,
    operationId: row.operation_id,
    user: row.user === null ? null : (JSON.parse(row.user) as Author),
    payload: JSON.parse(row.payload) as Record<string, unknown>,
    timestamp: row.timestamp,
  }
}
