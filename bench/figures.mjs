// Figures of several rounds: medians, ranges, ratios, and the table of them.

/** @param less whether less is better */
export function figure(name, unit, digits, { less }) {
  return { name, unit, digits, less, baseline: [], convene: [] }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A median with its unit, as a sentence has it. */
export function inWords({ unit, digits, ...of }, server) {
  return `${written(median(of[server]), digits)} ${unit}`
}

/** How many times the baseline's median Convene's is. */
export function ratio({ baseline, convene }) {
  const times = median(convene) / median(baseline)
  return times.toFixed(2)
}

export function table(figures) {
  const rows = figures.map((row) => [
    `${row.name}, ${row.unit}`,
    spread(row, 'baseline'),
    spread(row, 'convene'),
    `${ratio(row)} (${row.less ? 'less' : 'more'} is better)`,
  ])
  const head = ['', 'plain Socket.IO', 'Convene', 'ratio']
  // Columns of even width, as the formatter wants them.
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((cells) => cells[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [head, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('\n')
}

function spread({ digits, ...of }, server) {
  const values = of[server]
  const [middle, least, most] = [median(values), Math.min(...values), Math.max(...values)]
  return `**${written(middle, digits)}** (${written(least, digits)}–${written(most, digits)})`
}

function written(value, digits) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}
