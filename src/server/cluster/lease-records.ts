// The commands of the leases, and what Redis answers to them.
import type { LeaseKeys } from './lease-keys.ts'
import type { RedisLife } from './redis-life.ts'

// More than a cluster has; a set that somebody else fills does not fill this node.
const MAX_NODES = 1000
const BATCH = 200

/** Redis tells the time, the beat is set, and who else is there is listed, all in one step. */
const BEAT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
return { now, known and 1 or 0, redis.call('ZREVRANGE', KEYS[1], 0, ${MAX_NODES - 1}, 'WITHSCORES') }`

/** Who is found to beat. Times are in ms of Redis. */
export interface Found {
  readonly now: number
  readonly beats: readonly { readonly node: string; readonly at: number }[]
}

/** Beats for a node; `known` is whether it had before. */
export async function beat(life: RedisLife, keys: LeaseKeys, node: string): Promise<Found & { known: boolean }> {
  const [now, known, nodes] = list(await life.ask(['EVAL', BEAT, '1', keys.nodes, node]))
  return { now: Number(now), known: Number(known) === 1, beats: beatsOf(nodes) }
}

/** What is shown in a scope, by `<node> <key>`, and who lives, in one round trip. */
export async function readScope(
  life: RedisLife,
  keys: LeaseKeys,
  scope: string,
): Promise<{ readonly found: Found; readonly fields: readonly [field: string, value: string][] }> {
  const [shown, nodes, time] = await Promise.all([
    life.ask(['HGETALL', keys.shown(scope)]),
    life.ask(['ZREVRANGE', keys.nodes, '0', `${MAX_NODES - 1}`, 'WITHSCORES']),
    life.ask(['TIME']),
  ])
  const [seconds, microseconds] = list(time).map(Number)
  const now = (seconds ?? 0) * 1000 + Math.floor((microseconds ?? 0) / 1000)
  return { found: { now, beats: beatsOf(nodes) }, fields: pairs(shown) }
}

/** The scopes in which Redis says that a node shows something. */
export async function scopesOf(life: RedisLife, keys: LeaseKeys, node: string): Promise<string[]> {
  return list(await life.ask(['SMEMBERS', keys.scopesOf(node)])).map(String)
}

/** Hands out each scope with the node's keys that Redis holds there, some at a time. `use` gives what to wait for. */
export async function eachScope(
  life: RedisLife,
  keys: LeaseKeys,
  node: string,
  scopes: readonly string[],
  use: (scope: string, held: string[]) => Promise<unknown>[],
): Promise<void> {
  const own = `${node} `
  for (let at = 0; at < scopes.length; at += BATCH) {
    const batch = scopes.slice(at, at + BATCH)
    const fields = await Promise.all(batch.map((scope) => life.ask(['HKEYS', keys.shown(scope)])))
    const held = fields.map((names) =>
      list(names)
        .map(String)
        .filter((field) => field.startsWith(own)),
    )
    await Promise.all(batch.flatMap((scope, i) => use(scope, held[i]?.map((field) => field.slice(own.length)) ?? [])))
  }
}

/** Clears up after a node that ended. Done twice it does no harm; its lease goes last, so that one living after all notices. */
export async function reap(life: RedisLife, keys: LeaseKeys, node: string): Promise<void> {
  const scopes = await scopesOf(life, keys, node)
  await eachScope(life, keys, node, scopes, (scope, held) =>
    held.length > 0 ? [life.ask(['HDEL', keys.shown(scope), ...held.map((key) => `${node} ${key}`)])] : [],
  )
  await Promise.all([life.ask(['DEL', keys.scopesOf(node)]), life.ask(['ZREM', keys.nodes, node])])
}

function beatsOf(reply: unknown): Found['beats'] {
  return pairs(reply)
    .map(([node, at]) => ({ node, at: Number(at) }))
    .filter(({ at }) => Number.isFinite(at))
}

function pairs(reply: unknown): [string, string][] {
  const flat = list(reply).map(String)
  return Array.from({ length: Math.floor(flat.length / 2) }, (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? ''])
}

function list(reply: unknown): unknown[] {
  return Array.isArray(reply) ? reply : []
}
