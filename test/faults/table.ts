import type { Damage } from './evidence.ts'
import { percentile } from './reading.ts'
import type { Outcome } from './run-fault.ts'

const DAMAGES: readonly Damage[] = ['lost', 'doubled', 'reordered', 'ghost', 'leaked']

/**
 * All runs as one table, a row for each fault: what was damaged, how long facts took to other nodes while it lasted, how
 * long nodes took at most to say how they are, and until everybody was back when it was over (median / most).
 */
export function tableOf(outcomes: readonly Outcome[]): string {
  const titles = [...new Set(outcomes.map(({ fault }) => `${fault.id} ${fault.title}`))].sort()
  const head = [
    'fault',
    'runs',
    'operations',
    'acknowledged',
    'unclear',
    ...DAMAGES,
    'other',
    'seen p99, ms',
    'said, ms',
    'back, ms',
  ]
  const rows = titles.map((title) => {
    const runs = outcomes.filter(({ fault }) => `${fault.id} ${fault.title}` === title)
    const damages = runs.flatMap(({ violations }) => violations.map(({ damage }) => damage))
    const sum = (of: (outcome: Outcome) => number) => runs.reduce((total, outcome) => total + of(outcome), 0)
    const delays = ascending(runs.flatMap(({ delaysMs }) => delaysMs))
    const said = ascending(
      runs.flatMap(({ health }) => health.map(({ afterMs = Number.POSITIVE_INFINITY }) => afterMs)),
    )
    const recoveries = ascending(runs.map(({ recoveryMs = Number.POSITIVE_INFINITY }) => recoveryMs))
    return [
      title,
      runs.length,
      sum(({ operations }) => operations),
      sum(({ acknowledged }) => acknowledged),
      sum(({ unclear }) => unclear),
      ...DAMAGES.map((damage) => damages.filter((one) => one === damage).length),
      damages.filter((damage) => !DAMAGES.includes(damage)).length,
      ms(percentile(delays, 99)),
      ms(said.at(-1)),
      `${ms(percentile(recoveries, 50))} / ${ms(recoveries.at(-1))}`,
    ].map(String)
  })
  return lines([head, ...rows])
}

/** Cells in columns: the first to the left, the others to the right. */
export function lines(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)))
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n')
}

export function ms(value: number | undefined): string {
  return value === undefined ? '-' : value.toFixed(value < 10 ? 1 : 0)
}

function ascending(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b)
}
