import type { Kysely } from 'kysely'

// A record is found by its id alone as well: older callers name a message without its channel.
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.createIndex('records_id').on('records').columns(['kind', 'id']).execute()
}
