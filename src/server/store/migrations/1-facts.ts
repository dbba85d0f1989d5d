import type { Kysely } from 'kysely'

// A log is read by (channel, seq) and checked for repeats by (channel, operation): two B-trees, no third.
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('channels')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('address', 'text', (column) => column.notNull().unique())
    .addColumn('epoch', 'text', (column) => column.notNull())
    .addColumn('head', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('floor', 'integer', (column) => column.notNull().defaultTo(1))
    .execute()
  await db.schema
    .createTable('events')
    .addColumn('channel_id', 'integer', (column) => column.notNull())
    .addColumn('seq', 'integer', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('operation_id', 'text', (column) => column.notNull())
    .addColumn('user', 'text')
    .addColumn('payload', 'text', (column) => column.notNull())
    .addColumn('timestamp', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('events_place', ['channel_id', 'seq'])
    .addUniqueConstraint('events_operation', ['channel_id', 'operation_id'])
    .execute()
}
