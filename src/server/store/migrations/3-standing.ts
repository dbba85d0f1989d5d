import type { Kysely } from 'kysely'

// [FACT2] Where it changed last who may do what in a channel, beside its head, so that each fact can be held against it.
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('channels')
    .addColumn('standing', 'integer', (column) => column.notNull().defaultTo(0))
    .execute()
}
