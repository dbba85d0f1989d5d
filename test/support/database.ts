// Databases of a test's own, which its servers may come back to.
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import Database from 'libsql'
import { Client } from 'pg'
import { inject } from 'vitest'
import { cleanup } from './cleanup.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { onTwoNodes } from './topology.ts'

/** A database that outlives the servers on it, as over a restart. Gone when the test ends. */
export interface TestDatabase {
  readonly url: string
  /** Makes it as if it had never been used, while no server is on it. */
  wipe(): Promise<void>
  /** Keeps everybody else from writing to it, until what this resolves to is called. */
  hold(): Promise<() => Promise<void>>
}

/** An empty database of the kind that the project's servers use: a SQLite file on one node, in Postgres on two. */
export async function createDatabase(): Promise<TestDatabase> {
  return onTwoNodes() ? createPostgresDatabase() : createSqliteFile()
}

function createSqliteFile(): TestDatabase {
  const file = `${temporaryFolder()}/convene.db`
  return {
    url: `sqlite:${file}`,
    wipe: async () => rmSync(file),
    async hold() {
      const other = new Database(file)
      other.exec('begin immediate')
      return async () => {
        other.exec('rollback')
        other.close()
      }
    },
  }
}

async function createPostgresDatabase(): Promise<TestDatabase> {
  const { templateUrl } = inject('services')
  const template = new URL(templateUrl).pathname.slice(1)
  const name = `test_${randomBytes(6).toString('hex')}`
  const drop = `drop database if exists "${name}" with (force)`
  const create = `create database "${name}" template "${template}"`
  cleanup(() => administer(templateUrl, drop))
  await administer(templateUrl, create)
  const url = withDatabase(templateUrl, name)
  return {
    url,
    wipe: () => administer(templateUrl, drop, create),
    async hold() {
      const other = new Client({ connectionString: url })
      await other.connect()
      await other.query('begin')
      await other.query('lock table channels in exclusive mode')
      return () => other.end()
    },
  }
}

/** Does something to databases, connected to none of the tests'. */
async function administer(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: withDatabase(url, 'postgres') })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

function withDatabase(url: string, name: string): string {
  const other = new URL(url)
  other.pathname = `/${name}`
  return other.href
}
