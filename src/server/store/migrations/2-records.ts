import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

// What is kept beside the facts, of whatever kind: found by its name, listed by its place.
export async function up(db: Kysely<unknown>, { number, text }: Columns): Promise<void> {
  await db.schema
    .createTable('records')
    .addColumn('scope', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('id', text, (column) => column.notNull())
    .addColumn('seq', number, (column) => column.notNull())
    .addColumn('owner', text)
    .addColumn('deleted', 'integer', (column) => column.notNull())
    .addColumn('data', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('records_name', ['scope', 'kind', 'id'])
    .execute()
  await db.schema.createIndex('records_place').on('records').columns(['scope', 'kind', 'seq']).execute()
  // Of a fact that a rule decided: what was asked, in short, and what was answered.
  await db.schema.alterTable('events').addColumn('request', text).execute()
  await db.schema.alterTable('events').addColumn('result', text).execute()
}
