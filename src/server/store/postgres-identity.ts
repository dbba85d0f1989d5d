import { type Kysely, sql } from 'kysely'
import type { Tables } from './tables.ts'

const IDENTITY = { scope: 'store', kind: 'identity', id: 'postgres' }

/**
 * [SEQ5] A database that was restored, from a dump or to a moment of the past, or whose replica took over, may lack what
 * clients have seen. It is known by what such a copy does not share with the original, and its logs get other epochs.
 * To be called by one node at a time.
 */
export async function renewWhenRestored(db: Kysely<Tables>): Promise<void> {
  const now = JSON.stringify({ identity: await identityOf(db) })
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
      const epoch = sql<string>`substr(replace(gen_random_uuid()::text, '-', ''), 1, 16)`
      await transaction.updateTable('channels').set({ epoch }).execute()
    }
    await transaction
      .insertInto('records')
      .values({ ...IDENTITY, seq: 0, owner: null, deleted: 0, data: now })
      .onConflict((conflict) => conflict.columns(['scope', 'kind', 'id']).doUpdateSet({ data: now }))
      .execute()
  })
}

/** The cluster, its timeline, and the table itself: a dump makes another table, a restore or a replica another timeline. */
async function identityOf(db: Kysely<Tables>): Promise<string> {
  const { rows } = await sql<{ identity: string }>`
    select concat_ws(' ',
      (select system_identifier from pg_control_system()),
      substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
      'channels'::regclass::oid) as identity`.execute(db)
  return rows[0]?.identity ?? ''
}
