import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

// [FACT2] Where it changed last who may do what in a channel, beside its head, so that each fact can be held against it.
export async function up(db: Kysely<unknown>, { number }: Columns): Promise<void> {
  await db.schema
    .alterTable('channels')
    .addColumn('standing', number, (column) => column.notNull().defaultTo(0))
    .execute()
  // What an older version has to know at least to use these tables.
  await db.schema
    .createTable('schema_compatibility')
    .addColumn('oldest', 'integer', (column) => column.notNull())
    .execute()
}
