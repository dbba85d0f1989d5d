// One history, one checker: what was promised, held against what everybody saw and what the database has.
import type { Damage, Evidence, LogRow, Violation } from './evidence.ts'
import { checkMembers } from './member-check.ts'

// Of each kind of damage; the first ones tell what there is to know.
const TOLD_AT_MOST = 20
const CRASH = /unhandled|uncaught|was not caught|was rejected and nobody|ERR_|heap out of memory|TypeError|RangeError/i

/** Everything that was not as promised, worst of each kind first. Pure: the same evidence gives the same verdict. */
export function check(evidence: Evidence): Violation[] {
  const violations: Violation[] = []
  const told = new Map<string, number>()
  function violated(invariant: string, damage: Damage, what: string): void {
    const count = (told.get(damage) ?? 0) + 1
    told.set(damage, count)
    if (count <= TOLD_AT_MOST) violations.push({ invariant, damage, what })
  }
  const logs = byChannel(evidence.log)
  checkLogs(logs, violated)
  checkOperations(evidence, logs, violated)
  checkMembers(evidence, logs, violated)
  checkSurroundings(evidence, violated)
  return violations
}

export type Violated = (invariant: string, damage: Damage, what: string) => void
/** The rows of each channel, oldest first. */
export type Logs = ReadonlyMap<string, readonly LogRow[]>

function byChannel(rows: readonly LogRow[]): Logs {
  const logs = new Map<string, LogRow[]>()
  for (const row of rows) {
    const log = logs.get(row.channel)
    if (log) log.push(row)
    else logs.set(row.channel, [row])
  }
  for (const log of logs.values()) log.sort((a, b) => a.seq - b.seq)
  return logs
}

/** The log itself: numbered by one, in one epoch, each operation once. */
function checkLogs(logs: Logs, violated: Violated): void {
  for (const [channel, log] of logs) {
    const seen = new Map<string, number>()
    log.forEach(({ seq, epoch, operationId }, i) => {
      if (seq !== i + 1) violated('I3', 'reordered', `${channel}: the log has ${seq} where ${i + 1} belongs`)
      if (epoch !== log[0]?.epoch) violated('I3', 'reordered', `${channel}: the log has two epochs`)
      const first = seen.get(operationId)
      if (first !== undefined) violated('I2', 'doubled', `${channel}: ${operationId} is stored at ${first} and ${seq}`)
      seen.set(operationId, seq)
    })
  }
}

interface Fate {
  readonly channel: string
  readonly places: Set<number>
  readonly epochs: Set<string>
  failed?: string
}

/** What was said of each operation, and what the log says. */
function checkOperations({ history }: Evidence, logs: Logs, violated: Violated): void {
  const fates = new Map<string, Fate>()
  const fateOf = (channel: string, operationId: string): Fate => {
    const key = `${channel} ${operationId}`
    const fate = fates.get(key) ?? { channel, places: new Set(), epochs: new Set() }
    fates.set(key, fate)
    return fate
  }
  for (const entry of history) {
    if (entry.kind === 'invoke' || entry.kind === 'info') fateOf(entry.channel, entry.operationId)
    else if (entry.kind === 'fail') fateOf(entry.channel, entry.operationId).failed = entry.code
    else if (entry.kind === 'ok') {
      const fate = fateOf(entry.channel, entry.operationId)
      fate.places.add(entry.seq)
      fate.epochs.add(entry.epoch)
    }
  }
  const stored = new Set<string>()
  for (const [channel, log] of logs) for (const { operationId } of log) stored.add(`${channel} ${operationId}`)
  for (const [key, { channel, places, epochs, failed }] of fates) {
    const operationId = key.slice(channel.length + 1)
    for (const seq of places) {
      const row = logs.get(channel)?.[seq - 1]
      if (row?.operationId !== operationId || !epochs.has(row.epoch))
        violated('I1', 'lost', `${key} was acknowledged as ${seq}, where the log has ${row?.operationId ?? 'nothing'}`)
    }
    if (places.size > 1) violated('I2', 'doubled', `${key} was acknowledged at ${[...places].join(' and ')}`)
    if (failed !== undefined && places.size > 0)
      violated('I2', 'doubled', `${key} was acknowledged, and refused as ${failed}`)
    if (failed !== undefined && stored.has(key)) violated('I4', 'ghost', `${key} was refused as ${failed}, and stored`)
  }
  for (const [channel, log] of logs) {
    for (const { operationId, userId, seq } of log) {
      if (userId !== null && !fates.has(`${channel} ${operationId}`))
        violated('I4', 'ghost', `${channel} ${seq}: nobody sent ${operationId}`)
    }
  }
}

/** Processes, memory, health. */
function checkSurroundings({ processes = [], health = [], footprints = [] }: Evidence, violated: Violated): void {
  for (const { node, ended, wanted, output } of processes) {
    if (ended !== undefined && !wanted) violated('I7', 'crashed', `${node} ended with ${ended}`)
    const line = output.split('\n').find((text) => CRASH.test(text))
    if (line) violated('I7', 'crashed', `${node} wrote: ${line.slice(0, 300)}`)
  }
  for (const { node, expected, afterMs, withinMs } of health) {
    if (afterMs === undefined || afterMs > withinMs)
      violated('I8', 'dishonest', `${node} did not say ${expected} within ${withinMs} ms (${afterMs ?? 'never'})`)
  }
  for (const { node, what, before, after, most } of footprints) {
    if (after > most) violated('I6', 'unbounded', `${node}: ${what} was ${before} and is ${after}, more than ${most}`)
  }
}
