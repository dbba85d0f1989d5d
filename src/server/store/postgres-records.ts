import { PendingRecords } from './pending-records.ts'
import type { PostgresConnection } from './postgres-pool.ts'
import type { RecordKey } from './record.ts'
import { recordOf } from './records.ts'
import type { RecordsTable } from './tables.ts'

const SELECT = `select r.* from unnest($1::text[], $2::text[], $3::text[]) wanted(scope, kind, id)
  join records r using (scope, kind, id)`
const UPSERT = `insert into records (scope, kind, id, seq, owner, deleted, data)
  select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::int[], $7::text[])
  on conflict (scope, kind, id) do update set
    seq = excluded.seq, owner = excluded.owner, deleted = excluded.deleted, data = excluded.data`
const REMOVE = `delete from records r using unnest($1::text[], $2::text[], $3::text[]) gone(scope, kind, id)
  where r.scope = gone.scope and r.kind = gone.kind and r.id = gone.id`
// So few that even a full batch takes a small part of the locks that a server has for all of its transactions.
const SLOTS = 128
// Ours, of all that lock by number in the same database.
const RECORD_LOCKS = 73_022
const LOCK = `select pg_advisory_xact_lock(${RECORD_LOCKS}, slot) from (
  select distinct mod(hashtextextended(name, 0), ${SLOTS})::int as slot from unnest($1::text[]) name order by slot) slots`

/** Reads what a transaction is about to work on. */
export async function loadRecords(db: PostgresConnection, wanted: readonly RecordKey[]): Promise<PendingRecords> {
  const keys = [...new Map(wanted.map((key) => [nameOf(key), key])).values()]
  const found = keys.length === 0 ? [] : (await db.query<RecordsTable>(SELECT, columnsOf(keys))).rows
  return new PendingRecords(wanted, found.map(recordOf))
}

/**
 * Has every other change wait that decides by the same records. A record that is not there yet has no row that could be
 * locked, so its name is, or one of a few that stand for all names. Facts need it not: what they decide by belongs to their
 * channel, whose head is locked. Taken after the heads, and in one order, so that no two nodes wait for each other.
 */
export async function lockRecords(db: PostgresConnection, keys: readonly RecordKey[]): Promise<void> {
  if (keys.length > 0) await db.query(LOCK, [keys.map(nameOf)])
}

/** Stores what became of them: in one order on every node, so that none waits for another in a circle. */
export async function saveRecords(db: PostgresConnection, pending: PendingRecords): Promise<void> {
  const { kept, gone } = pending.changes()
  if (gone.length > 0) await db.query(REMOVE, columnsOf(gone.sort(byName)))
  if (kept.length === 0) return
  kept.sort(byName)
  await db.query(UPSERT, [
    ...columnsOf(kept),
    kept.map(({ seq }) => seq),
    kept.map(({ owner }) => owner),
    kept.map(({ deleted }) => (deleted ? 1 : 0)),
    kept.map(({ data }) => JSON.stringify(data)),
  ])
}

function columnsOf(keys: readonly RecordKey[]): string[][] {
  return [keys.map(({ scope }) => scope), keys.map(({ kind }) => kind), keys.map(({ id }) => id)]
}

function byName(a: RecordKey, b: RecordKey): number {
  return nameOf(a) < nameOf(b) ? -1 : 1
}

function nameOf({ scope, kind, id }: RecordKey): string {
  return JSON.stringify([scope, kind, id])
}
