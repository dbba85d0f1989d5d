import { setTimeout as pause } from 'node:timers/promises'
import { ConveneError } from '../../protocol/errors.ts'
import {
  channelsOf,
  type Decisions,
  decideBatch,
  draftsOf,
  type EventRow,
  type Log,
  newEpoch,
  operationKey,
  readsOf,
  readsOfChanges,
  type Work,
} from './batch.ts'
import type { Outcome } from './group-commit.ts'
import { isInTheWay, isUnfit, type PostgresConnection, type PostgresPool } from './postgres-pool.ts'
import { loadRecords, lockRecords, saveRecords } from './postgres-records.ts'
import type { FactDraft } from './store.ts'

// Locked in the order of their names on every node. Never a sequence: it would not count in the order of the commits.
const LOCK_LOGS = `select address, id, epoch, head, standing from channels where address = any($1)
  order by address for update`
const BEGIN_LOGS = `insert into channels (address, epoch) select * from unnest($1::text[], $2::text[])
  on conflict (address) do nothing`
const KEPT = `select e.channel_id, e.operation_id, e.seq, e.type, e."user", e.payload, e.timestamp, e.request, e.result
  from unnest($1::bigint[], $2::text[]) wanted(channel_id, operation_id)
  join events e using (channel_id, operation_id)`
const APPEND = `with stored as (
    insert into events (channel_id, seq, type, operation_id, "user", payload, timestamp, request, result)
    select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
      $8::text[], $9::text[]))
  update channels set head = moved.head, standing = moved.standing
  from unnest($10::bigint[], $11::bigint[], $12::bigint[]) moved(id, head, standing) where channels.id = moved.id`
const WITHDRAWN = `select e.channel_id, e.seq, e.payload, gone.field
  from unnest($1::bigint[], $2::bigint[], $3::text[]) gone(channel_id, seq, field) join events e using (channel_id, seq)`
const WITHDRAW = `update events e set payload = gone.payload
  from unnest($1::bigint[], $2::bigint[], $3::text[]) gone(channel_id, seq, payload)
  where e.channel_id = gone.channel_id and e.seq = gone.seq`

const TRIES = 5
// Not all at the same moment again.
const APART_MS = 20

/**
 * Does a batch of work in one transaction, in a few statements however many facts, channels and records there are. Whoever
 * appends to the same channel waits for its head, on whichever node: so the facts of a channel are committed one after the
 * other, in the order of their seq. One outcome each, in order, for as many of them as there was time for, at least one.
 */
export function createPostgresCommit(pool: PostgresPool): (batch: Work[]) => Promise<Outcome<unknown>[]> {
  /** Undefined when logs had to be begun first. */
  async function perform(db: PostgresConnection, batch: Work[]): Promise<Outcome<unknown>[] | undefined> {
    await db.query('begin isolation level read committed')
    const addresses = channelsOf(batch)
    const logs = await logsOf(db, addresses)
    const missing = addresses.filter((address) => !logs.has(address)).sort()
    if (missing.length > 0) {
      // In a transaction of its own: beside locks that are held it could wait for a node that waits for them.
      await db.query('rollback')
      await db.query(BEGIN_LOGS, [missing, missing.map(newEpoch)])
      return undefined
    }
    await lockRecords(db, readsOfChanges(batch))
    const kept = await keptOf(db, draftsOf(batch), logs)
    const pending = await loadRecords(db, readsOf(batch, logs))
    const decisions = decideBatch(batch, { logs, kept, pending })
    await append(db, decisions)
    await withdraw(db, decisions)
    await saveRecords(db, pending)
    await db.query('commit')
    return decisions.outcomes
  }

  async function transact(batch: Work[]): Promise<Outcome<unknown>[]> {
    const db = await pool.connect()
    try {
      const outcomes = (await perform(db, batch)) ?? (await perform(db, batch))
      // Logs are never taken away, so the second time they are there.
      if (!outcomes) throw new Error('a log that was begun is not there')
      return outcomes
    } catch (error) {
      await db.rollback()
      throw error
    } finally {
      db.release()
    }
  }

  return async function commit(batch: Work[]): Promise<Outcome<unknown>[]> {
    for (let tries = 1; ; tries++) {
      try {
        return await transact(batch)
      } catch (error) {
        if (isUnfit(error)) {
          // One fact's fault: of ever fewer, until it is found, those before it are stored, and the others come again.
          return batch.length === 1 ? [unfit(error)] : await commit(batch.slice(0, Math.ceil(batch.length / 2)))
        }
        if (!isInTheWay(error) || tries === TRIES) throw error
        await pause(Math.random() * APART_MS * tries)
      }
    }
  }
}

function unfit(cause: unknown): Outcome<never> {
  const message = 'The store cannot hold this: a character, a number or a length in it is beyond what Postgres takes'
  return { error: new ConveneError('invalid', message, { cause }) }
}

async function logsOf(db: PostgresConnection, addresses: string[]): Promise<Map<string, Log>> {
  if (addresses.length === 0) return new Map()
  const { rows } = await db.query<Log & { address: string }>(LOCK_LOGS, [addresses])
  return new Map(rows.map(({ address, ...log }) => [address, log]))
}

async function keptOf(
  db: PostgresConnection,
  drafts: FactDraft[],
  logs: ReadonlyMap<string, Log>,
): Promise<Map<string, EventRow>> {
  if (drafts.length === 0) return new Map()
  const ids = drafts.map(({ channel }) => (logs.get(channel) as Log).id)
  const { rows } = await db.query<EventRow>(KEPT, [ids, drafts.map(({ operationId }) => operationId)])
  return new Map(rows.map((row) => [operationKey(row.channel_id, row.operation_id), row]))
}

async function append(db: PostgresConnection, { rows, moved }: Decisions): Promise<void> {
  if (rows.length === 0) return
  const logs = [...moved]
  await db.query(APPEND, [
    rows.map((row) => row.channel_id),
    rows.map((row) => row.seq),
    rows.map((row) => row.type),
    rows.map((row) => row.operation_id),
    rows.map((row) => row.user),
    rows.map((row) => row.payload),
    rows.map((row) => row.timestamp),
    rows.map((row) => row.request),
    rows.map((row) => row.result),
    logs.map(({ id }) => id),
    logs.map(({ head }) => head),
    logs.map(({ standing }) => standing),
  ])
}

/** In JavaScript: what JSON text may hold, Postgres's own JSON may not. */
async function withdraw(db: PostgresConnection, { withdrawn }: Decisions): Promise<void> {
  if (withdrawn.length === 0) return
  const { rows } = await db.query<{ channel_id: number; seq: number; payload: string; field: string }>(WITHDRAWN, [
    withdrawn.map(({ channelId }) => channelId),
    withdrawn.map(({ seq }) => seq),
    withdrawn.map(({ field }) => field),
  ])
  const texts = rows.map(({ payload, field }) => JSON.stringify({ ...JSON.parse(payload), [field]: '' }))
  await db.query(WITHDRAW, [rows.map(({ channel_id }) => channel_id), rows.map(({ seq }) => seq), texts])
}
