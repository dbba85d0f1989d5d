import type { Kysely } from 'kysely'
import type { KeptRecord, RecordCount, RecordKey, RecordStretch, RecordsNamed } from './record.ts'
import type { LogState } from './store.ts'
import type { RecordsTable, Tables } from './tables.ts'

/** A row as its room knows it. */
export function recordOf(row: RecordsTable): KeptRecord {
  return { ...row, deleted: row.deleted !== 0, data: JSON.parse(row.data) as KeptRecord['data'] }
}

export async function readRecord(db: Kysely<Tables>, { scope, kind, id }: RecordKey): Promise<KeptRecord | undefined> {
  const row = await db
    .selectFrom('records')
    .selectAll()
    .where('scope', '=', scope)
    .where('kind', '=', kind)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && recordOf(row)
}

/** Records of a kind in the order of their place, which is also the order of the answer. */
export async function readRecords(db: Kysely<Tables>, stretch: RecordStretch): Promise<KeptRecord[]> {
  const { before, limit, exceptOwners = [] } = stretch
  const direction = stretch.newest ? 'desc' : 'asc'
  let query = db
    .selectFrom('records')
    .selectAll()
    .where('scope', '=', stretch.scope)
    .where('kind', '=', stretch.kind)
    .orderBy('seq', direction)
    .orderBy('id', direction)
  if (before !== undefined) query = query.where('seq', '<', before)
  if (limit !== undefined) query = query.limit(limit)
  if (exceptOwners.length > 0) {
    query = query.where((eb) => eb.or([eb('owner', 'is', null), eb('owner', 'not in', exceptOwners)]))
  }
  return (await query.execute()).map(recordOf)
}

/** Records of an id in the order of their scopes. */
export async function readRecordsNamed(db: Kysely<Tables>, wanted: RecordsNamed): Promise<KeptRecord[]> {
  const { kind, id, owner, limit } = wanted
  let query = db
    .selectFrom('records')
    .selectAll()
    .where('kind', '=', kind)
    .where('id', '=', id)
    .orderBy('scope')
    .limit(limit)
  if (owner !== undefined) query = query.where('owner', '=', owner)
  return (await query.execute()).map(recordOf)
}

/** One statement, so that the records are those of the head that it tells. */
export async function readSnapshot(
  db: Kysely<Tables>,
  channel: string,
  kind: string,
): Promise<(LogState & { records: KeptRecord[] }) | undefined> {
  const rows = await db
    .selectFrom('channels')
    .leftJoin('records', (join) => join.onRef('records.scope', '=', 'channels.address').on('records.kind', '=', kind))
    .select(['epoch', 'head', 'floor'])
    .selectAll('records')
    .where('channels.address', '=', channel)
    .orderBy('records.id')
    .execute()
  const [first] = rows
  if (!first) return undefined
  const { epoch, head, floor } = first
  const records: KeptRecord[] = []
  for (const { epoch: _epoch, head: _head, floor: _floor, ...row } of rows) {
    if (row.scope !== null) records.push(recordOf(row as RecordsTable))
  }
  return { epoch, head, floor, records }
}

/** How many records a count looks at. */
export const COUNTED_AMONG = 5000

export async function countRecords(db: Kysely<Tables>, wanted: RecordCount): Promise<number> {
  const { exceptOwners = [] } = wanted
  const row = await db
    .selectFrom((eb) => {
      const newest = eb
        .selectFrom('records')
        .select(['deleted', 'owner'])
        .where('scope', '=', wanted.scope)
        .where('kind', '=', wanted.kind)
        .where('seq', '>', wanted.after)
        .where('seq', '<=', wanted.upTo)
        .orderBy('seq', 'desc')
        .limit(COUNTED_AMONG)
        .as('newest')
      let query = eb.selectFrom(newest).select('deleted').where('deleted', '=', 0).limit(wanted.limit)
      if (exceptOwners.length > 0) {
        query = query.where((owner) => owner.or([owner('owner', 'is', null), owner('owner', 'not in', exceptOwners)]))
      }
      return query.as('found')
    })
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}
