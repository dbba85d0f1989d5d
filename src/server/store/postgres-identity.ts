import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Tables } from './tables.ts'

const IDENTITY = { scope: 'store', kind: 'identity', id: 'postgres' }

/**
 * [SEQ5] A database that was restored, from a dump or to a moment of the past, or whose replica took over, may lack what
 * clients have seen. It is known by what such a copy does not share with the original, and its logs get other epochs.
 * To be called by one node at a time. Resolves to what it is known by.
 */
export async function renewWhenRestored(db: Kysely<Tables>): Promise<string> {
  const identity = await identityOf(db)
  const now = JSON.stringify({ identity })
  await db.transaction().execute(async (transaction) => {
    const kept = await transaction
      .selectFrom('records')
      .select('data')
      .where('scope', '=', IDENTITY.scope)
      .where('kind', '=', IDENTITY.kind)
      .where('id', '=', IDENTITY.id)
      .executeTakeFirst()
    if (kept?.data === now) return
    if (kept) {
      // As a whole, or nodes that store meanwhile would wait for this in a circle.
      await sql`lock table channels in exclusive mode`.execute(transaction)
      const epoch = sql<string>`substr(replace(gen_random_uuid()::text, '-', ''), 1, 16)`
      await transaction.updateTable('channels').set({ epoch }).execute()
    }
    await transaction
      .insertInto('records')
      .values({ ...IDENTITY, seq: 0, owner: null, deleted: 0, data: now })
      .onConflict((conflict) => conflict.columns(['scope', 'kind', 'id']).doUpdateSet({ data: now }))
      .execute()
  })
  return identity
}

/** The cluster, its timeline, and the table itself: a dump makes another table, a restore or a replica another timeline. */
export async function identityOf(db: Kysely<Tables>): Promise<string> {
  const cluster = await partOf(db, sql`select system_identifier::text as part from pg_control_system()`)
  const timeline = await partOf(db, sql`select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) as part`)
  const table = await partOf(db, sql`select 'channels'::regclass::oid::text as part`)
  return [cluster, timeline, table].join(' ')
}

// What a hosted Postgres may keep from an ordinary role, or not have.
const WITHHELD = new Set(['42501', '42883', '0A000'])

async function partOf(db: Kysely<Tables>, question: RawBuilder<unknown>): Promise<string> {
  try {
    const { rows } = await (question as RawBuilder<{ part: string }>).execute(db)
    return rows[0]?.part ?? '-'
  } catch (error) {
    if (WITHHELD.has((error as { code?: string }).code ?? '')) return '-'
    throw error
  }
}
