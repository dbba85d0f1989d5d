import type { Logs, Violated } from './checker.ts'
import type { Evidence, LogRow } from './evidence.ts'
import type { Entry } from './history.ts'

interface Place {
  readonly epoch: string
  seq: number
}

/** What each member saw of each channel: every fact once, in the log's order, to the end, and nothing after a removal. */
export function checkMembers({ history, present }: Evidence, logs: Logs, violated: Violated): void {
  const removals = new Map(Array.from(logs, ([channel, log]) => [channel, removalsIn(log)]))
  const places = new Map<string, Place>()
  const applied = new Map<string, Map<string, number>>()

  for (const entry of history) {
    const key = `${entry.client} on ${entry.channel}`
    if (entry.kind === 'joined') join(key, entry)
    else if (entry.kind === 'recv') receive(key, entry)
  }

  function join(key: string, { epoch, head, since, events, reset }: Entry & { kind: 'joined' }): void {
    const place = places.get(key)
    if (since !== undefined && reset !== undefined) violated('I1', 'lost', `${key} had to start over: ${reset}`)
    else if (since !== undefined && events !== head - since)
      violated('I1', 'lost', `${key} came back with ${since}; the head was ${head}, and it was given ${events} facts`)
    if (place && place.epoch !== epoch) violated('I3', 'reordered', `${key} came back to another epoch`)
    if (!place || since === undefined || reset !== undefined) places.set(key, { epoch, seq: head })
  }

  function receive(key: string, { epoch, seq, operationId, channel, userId }: Entry & { kind: 'recv' }): void {
    const row = logs.get(channel)?.[seq - 1]
    if (!row || row.epoch !== epoch) violated('I4', 'ghost', `${key} was told ${operationId} at ${seq}, which is not`)
    else if (row.operationId !== operationId)
      violated('I3', 'reordered', `${key} was told ${operationId} at ${seq}, where the log has ${row.operationId}`)
    const removedAt = removals.get(channel)?.get(userId)
    if (removedAt !== undefined && seq > removedAt)
      violated('I5', 'leaked', `${key} was told ${seq}, removed at ${removedAt}`)

    const place = places.get(key)
    const operations = applied.get(key) ?? new Map<string, number>()
    applied.set(key, operations)
    const before = operations.get(operationId)
    operations.set(operationId, seq)
    if (before !== undefined) {
      violated('I2', 'doubled', `${key} was told ${operationId} at ${before} and at ${seq}`)
      if (place && seq <= place.seq) return
    }
    if (!place) violated('I3', 'reordered', `${key} was told ${seq} before it had joined`)
    else if (place.epoch !== epoch) violated('I3', 'reordered', `${key} was told ${seq} of another epoch`)
    else if (seq > place.seq + 1) violated('I1', 'lost', `${key} was told ${seq} after ${place.seq}`)
    else if (seq <= place.seq) violated('I3', 'reordered', `${key} was told ${seq} after ${place.seq}`)
    places.set(key, { epoch, seq })
  }

  for (const { client, channel } of present) {
    const key = `${client} on ${channel}`
    const head = logs.get(channel)?.length ?? 0
    const seq = places.get(key)?.seq
    if (seq !== head)
      violated('I1', 'lost', `${key} is at ${seq ?? 'no place'} when all is quiet, and the log at ${head}`)
  }
}

/** At which seq each person was shut out for good. */
function removalsIn(log: readonly LogRow[]): Map<string, number> {
  const removals = new Map<string, number>()
  for (const { type, payload, seq } of log) {
    const { userId, role } = payload
    if (!type.startsWith('member:') || typeof userId !== 'string') continue
    if (type === 'member:removed' || role === 'none') removals.set(userId, seq)
    else removals.delete(userId)
  }
  return removals
}
