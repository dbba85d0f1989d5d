// Prints the answers, and writes those of a complete run where readers look for them.
import { readFileSync, writeFileSync } from 'node:fs'
import { table } from './figures.mjs'

const BETWEEN_MARKERS = /(<!-- figures -->\n)[\s\S]*(<!-- \/figures -->)/

export function report(answers, { rounds, machine, disturbance, write }) {
  const date = new Date().toISOString().slice(0, 10)
  const figures = answers.flatMap((answer) => answer.figures)
  const how =
    `${date}, ${machine}. ${rounds === 1 ? 'One round' : `Medians of ${rounds} rounds (least–most)`}. ${disturbance}`.trim()
  const text = `${how}\n\n${table(figures)}\n`
  console.log(`\n${text}`)
  if (!write) return
  rewrite('README.md', BETWEEN_MARKERS, (_, before, after) => `${before}\n${text}\n${after}`)
  for (const { name, answer } of answers) rewrite(`${name}.mjs`, /^\/\/ Answer: .*$/m, () => `// Answer: ${answer}.`)
}

function rewrite(name, pattern, replacement) {
  const file = new URL(name, import.meta.url)
  const text = readFileSync(file, 'utf8')
  if (!pattern.test(text)) throw new Error(`bench/${name} has no place for its figures: expected ${pattern}`)
  writeFileSync(file, text.replace(pattern, replacement))
}
