import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

// A log is read by (channel, seq) and checked for repeats by (channel, operation): two B-trees, no third.
export async function up(db: Kysely<unknown>, { identity, number, text }: Columns): Promise<void> {
  await db.schema
    .createTable('channels')
    .addColumn('id', 'integer', identity)
    .addColumn('address', text, (column) => column.notNull().unique())
    .addColumn('epoch', text, (column) => column.notNull())
    .addColumn('head', number, (column) => column.notNull().defaultTo(0))
    .addColumn('floor', number, (column) => column.notNull().defaultTo(1))
    .execute()
  await db.schema
    .createTable('events')
    .addColumn('channel_id', number, (column) => column.notNull())
    .addColumn('seq', number, (column) => column.notNull())
    .addColumn('type', text, (column) => column.notNull())
    .addColumn('operation_id', text, (column) => column.notNull())
    .addColumn('user', text)
    .addColumn('payload', text, (column) => column.notNull())
    .addColumn('timestamp', number, (column) => column.notNull())
    .addPrimaryKeyConstraint('events_place', ['channel_id', 'seq'])
    .addUniqueConstraint('events_operation', ['channel_id', 'operation_id'])
    .execute()
}
