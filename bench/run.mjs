// Measures Convene against plain Socket.IO: `npm run bench`, or `npm run bench -- <name>` for one question.
// All questions with at least three rounds write their answers into README.md and the questions' files.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { buildGenerator } from './load.mjs'
import { checkMachine, describeMachine } from './machine.mjs'
import { report } from './report.mjs'

const QUESTIONS = ['stored-facts', 'connections', 'memory']
const ROUNDS = 3
// Above this, what else runs on the machine is part of the figures.
const QUIET = 0.1

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: String(ROUNDS) } },
})
const rounds = Number(values.rounds)
const unknown = positionals.filter((name) => !QUESTIONS.includes(name))
if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`Usage: npm run bench -- [--rounds <1…>] [${QUESTIONS.join(' | ')}]`)
  process.exit(2)
}

try {
  checkMachine()
  console.log(describeMachine())
  buildGenerator()
  execFileSync('npx', ['tsc', '-b'], { cwd: new URL('..', import.meta.url), stdio: ['ignore', 'inherit', 'inherit'] })

  const answers = []
  let others = 0
  const began = performance.now()
  for (const name of positionals.length > 0 ? positionals : QUESTIONS) {
    const { measure } = await import(`./${name}.mjs`)
    const progress = (line, { othersCpu = 0 } = {}) => {
      others = Math.max(others, othersCpu)
      const disturbed = othersCpu > QUIET ? `  (others used ${Math.round(othersCpu * 100)} % of a core)` : ''
      console.log(
        `${String(Math.round((performance.now() - began) / 1000)).padStart(4)} s  ${name}: ${line}${disturbed}`,
      )
    }
    answers.push({ name, ...(await measure({ rounds, progress })) })
  }
  const disturbance =
    others > QUIET ? `Other processes used up to ${Math.round(others * 100)} % of a core meanwhile.` : ''
  const complete = positionals.length === 0 && rounds >= ROUNDS
  report(answers, { rounds, machine: describeMachine(), disturbance, write: complete })
  process.exit(0)
} catch (error) {
  console.error(error.name === 'Refused' ? `Refused to report: ${error.message}` : error)
  process.exit(1)
}
