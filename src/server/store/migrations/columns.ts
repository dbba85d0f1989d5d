import { type ColumnBuilderCallback, type CreateTableBuilder, sql } from 'kysely'

type ColumnType = Parameters<CreateTableBuilder<string>['addColumn']>[1]

/** What differs between the databases in the making of tables. */
export interface Columns {
  /** A whole number that counts rows by itself. */
  readonly identity: ColumnBuilderCallback
  /** Seqs, and ms since 1970. */
  readonly number: ColumnType
  /** Ordered by its bytes. */
  readonly text: ColumnType
}

export const sqliteColumns: Columns = {
  identity: (column) => column.primaryKey(),
  number: 'integer',
  text: 'text',
}

export const postgresColumns: Columns = {
  identity: (column) => column.primaryKey().generatedByDefaultAsIdentity(),
  number: 'bigint',
  text: sql`text collate "C"`,
}
