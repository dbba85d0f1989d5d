// What a history says beyond whether it is right.
import type { Entry } from './history.ts'

export interface Span {
  readonly from: number
  readonly to: number
}

/** The greatest seq of each channel. */
export function headsOf(places: Iterable<{ readonly channel: string; readonly seq: number }>): Map<string, number> {
  const heads = new Map<string, number>()
  for (const { channel, seq } of places) heads.set(channel, Math.max(seq, heads.get(channel) ?? 0))
  return heads
}

/** What was acknowledged, in order. */
export function acknowledgements(history: readonly Entry[]): (Entry & { kind: 'ok' })[] {
  return history.filter((entry): entry is Entry & { kind: 'ok' } => entry.kind === 'ok')
}

/** How many operations of any of these kinds there are. */
export function countOperations(history: readonly Entry[], kind: 'invoke' | 'ok' | 'info'): number {
  return new Set(history.flatMap((entry) => (entry.kind === kind ? [entry.operationId] : []))).size
}

/** How many facts each node acknowledged in a span. */
export function acknowledgedByNode(history: readonly Entry[], { from, to }: Span): Map<string, number> {
  const counts = new Map<string, number>()
  eachWithNode(history, (entry, node) => {
    if (entry.kind !== 'ok' || entry.at < from || entry.at > to) return
    counts.set(node, (counts.get(node) ?? 0) + 1)
  })
  return counts
}

/**
 * How long the facts that were acknowledged in a span took from there to the members on other nodes, ms: one number a
 * member and fact, ascending. Those that somebody was given as they came back do not count.
 */
export function delaysBetweenNodes(history: readonly Entry[], { from, to }: Span): number[] {
  const acknowledged = new Map<string, { readonly at: number; readonly node: string }>()
  const told: { readonly operationId: string; readonly at: number; readonly node: string }[] = []
  eachWithNode(history, ({ at, ...entry }, node) => {
    if (entry.kind === 'recv' && entry.how === 'live') told.push({ operationId: entry.operationId, at, node })
    if (entry.kind !== 'ok' || at < from || at > to || acknowledged.has(entry.operationId)) return
    acknowledged.set(entry.operationId, { at, node })
  })
  const delays = told.flatMap(({ operationId, at, node }) => {
    const origin = acknowledged.get(operationId)
    return origin && origin.node !== node ? [Math.max(0, at - origin.at)] : []
  })
  return delays.sort((a, b) => a - b)
}

/** Of ascending numbers the one that so many percent are not above. */
export function percentile(ascending: readonly number[], percent: number): number | undefined {
  return ascending[Math.max(0, Math.ceil((ascending.length * percent) / 100) - 1)]
}

/** Goes through a history, with the node that each client was on. */
function eachWithNode(history: readonly Entry[], take: (entry: Entry, node: string) => void): void {
  const nodes = new Map<string, string>()
  for (const entry of history) {
    if (entry.kind === 'joined') nodes.set(entry.client, entry.node)
    take(entry, nodes.get(entry.client) ?? '')
  }
}
