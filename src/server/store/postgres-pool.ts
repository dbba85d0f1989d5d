import type { PostgresCursor, PostgresQueryResult } from 'kysely'
import { DatabaseError, Pool, type PoolClient, type PoolConfig, types } from 'pg'

/** One connection, as long as somebody uses it. */
export interface PostgresConnection {
  query<Row>(text: string, values?: readonly unknown[]): Promise<PostgresQueryResult<Row>>
  // biome-ignore lint/suspicious/noExplicitAny: what Kysely wants to be there, and nobody calls
  query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<any>
  /** Takes back a transaction that failed. Of one that is gone the server does so by itself. */
  rollback(): Promise<void>
  /** Gives it back; one that may still be busy, or is gone, is thrown away. */
  release(): void
}

export interface PostgresPool {
  connect(): Promise<PostgresConnection>
  end(): Promise<void>
}

export interface PoolOptions {
  readonly url: string
  readonly max: number
  /** How long one statement may take; a server that is frozen does not answer at all. */
  readonly statementMs: number
  /** Called with each connection before it is used for the first time; one that it rejects of is thrown away. */
  readonly begin?: (connection: PostgresConnection) => Promise<void>
}

const CONNECT_MS = 3000
const IDLE_MS = 30_000
// Of the server, for a node that froze in the middle of a transaction and holds the heads of its channels: less than a
// statement may take, so that whoever waits for them still gets them.
const IDLE_IN_TRANSACTION_MS = 3000
// Beyond the server's own limit, so that it has the first word.
const ANSWER_MS = 500
const BIGINT = 20

/** Connections to Postgres. No failure of one ends the process, and none that failed is used again. */
export function createPostgresPool({ url, max, statementMs, begin }: PoolOptions): PostgresPool {
  const config: PoolConfig = {
    connectionString: url,
    max,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: IDLE_MS,
    statement_timeout: statementMs,
    query_timeout: statementMs + ANSWER_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
    application_name: 'convene',
    types: { getTypeParser },
  }
  const pool = new Pool(config)
  pool.on('error', () => {})
  // One that is in use tells its own end, too; whoever uses it has it from their query.
  pool.on('connect', (client) => client.on('error', () => {}))
  const begun = new WeakSet<PoolClient>()

  async function connect(): Promise<PostgresConnection> {
    const client = await pool.connect()
    const connection = connectionOf(client)
    if (!begin || begun.has(client)) return connection
    try {
      await begin(connection)
      begun.add(client)
      return connection
    } catch (error) {
      client.release(true)
      throw error
    }
  }

  return {
    connect,
    end: () => pool.end(),
  }
}

// Places and times are far below 2^53.
const getTypeParser = ((oid: number, format?: 'text' | 'binary') =>
  oid === BIGINT ? Number : types.getTypeParser(oid, format as 'text')) as typeof types.getTypeParser

function connectionOf(client: PoolClient): PostgresConnection {
  let broken = false
  async function query(text: string, values?: readonly unknown[]): Promise<unknown> {
    try {
      return await client.query(text, values as unknown[])
    } catch (error) {
      broken ||= !goesOn(error)
      throw error
    }
  }
  return {
    query: query as PostgresConnection['query'],
    async rollback() {
      if (!broken) await query('rollback').catch(() => {})
    },
    release: () => client.release(broken),
  }
}

// Connection lost, out of something, being shut down, broken inside, or not the primary any more.
const GONE = /^(08|53|57P|58|XX|25006$)/

/** Whether the server has refused a statement, and takes the next. */
function goesOn(error: unknown): boolean {
  return error instanceof DatabaseError && error.code !== undefined && !GONE.test(error.code)
}

/** Whether Postgres cannot hold what it was given, however often: a character, a number, a length. */
export function isUnfit(error: unknown): boolean {
  return error instanceof DatabaseError && /^(22|23|54)/.test(error.code ?? '')
}

// Deadlock, serialization.
const IN_THE_WAY = new Set(['40P01', '40001'])

/** Whether another node was in the way, in a manner that only trying again resolves. */
export function isInTheWay(error: unknown): boolean {
  return error instanceof DatabaseError && IN_THE_WAY.has(error.code ?? '')
}
