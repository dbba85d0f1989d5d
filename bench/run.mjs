// Measures Convene against plain Socket.IO: `npm run bench`, or `npm run bench -- <name>` for one question.
// All questions with at least three rounds write their answers into README.md and the questions' files.
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { buildGenerator } from './load.mjs'
import { checkMachine, describeMachine } from './machine.mjs'
import { Refused } from './refused.mjs'
import { report } from './report.mjs'

const QUESTIONS = ['stored-facts', 'connections', 'memory']
const ROUNDS = 3
// One of the two waited for its core for more of the time than this: what else runs on the machine is in the figures.
const QUIET = 0.05

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
  buildServer()

  const answers = []
  let waited = 0
  const began = performance.now()
  for (const name of positionals.length > 0 ? positionals : QUESTIONS) {
    const { measure } = await import(`./${name}.mjs`)
    const progress = (line, { serverQueued = 0, ownQueued = 0 } = {}) => {
      const queued = Math.max(serverQueued, ownQueued)
      waited = Math.max(waited, queued)
      const seconds = Math.round((performance.now() - began) / 1000)
      const disturbed = queued > QUIET ? ` (disturbed: waited ${percent(queued)} of the time for a core)` : ''
      console.log(`${String(seconds).padStart(4)} s  ${name}: ${line}${disturbed}`)
    }
    answers.push({ name, ...(await measure({ rounds, progress })) })
  }
  const disturbance =
    waited > QUIET ? `**Disturbed**: a process waited up to ${percent(waited)} of the time for its core.` : ''
  const complete = positionals.length === 0 && rounds >= ROUNDS
  report(answers, { rounds, machine: describeMachine(), disturbance, write: complete })
  process.exit(0)
} catch (error) {
  console.error(error instanceof Refused ? `Refused to report: ${error.message}` : error)
  process.exit(1)
}

/** @throws Error when it does not compile; the compiler has said why */
function buildServer() {
  const repository = new URL('..', import.meta.url)
  execFileSync('npx', ['tsc', '-b', 'src/server'], { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] })
}

function percent(share) {
  return `${Math.round(share * 100)} %`
}
