// One fault after the other, chosen by a seed, for as long as told: `npm run faults`. Not a test of the suite.
import { expect, test } from 'vitest'
import { alteredBuild } from './altered-build.ts'
import { NODE_FAULTS, REDIS_FAULTS, STORE_FAULTS } from './catalogue.ts'
import { type Cluster, startCluster, startServices } from './cluster.ts'
import { FAILPOINTS } from './failpoints.ts'
import { Random } from './random.ts'
import { type Outcome, runFault } from './run-fault.ts'
import { tableOf } from './table.ts'

const { FAULTS_SEED = '1', FAULTS_MINUTES = '1', FAULTS_ONLY = '' } = process.env
const STRETCH = 3

test(`seed ${FAULTS_SEED}`, async () => {
  const random = new Random(Number(FAULTS_SEED))
  const all = [...NODE_FAULTS, ...REDIS_FAULTS, ...STORE_FAULTS]
  const faults = all.filter(({ id }) => id === FAULTS_ONLY || FAULTS_ONLY === '')
  const ids = [...new Set(all.map(({ id }) => id))].sort()
  if (faults.length === 0) throw new Error(`there is no fault ${FAULTS_ONLY}; there are ${ids.join(', ')}`)
  const until = performance.now() + Number(FAULTS_MINUTES) * 60_000
  const outcomes: Outcome[] = []
  const broken: string[] = []
  const services = await startServices()
  let cluster: Cluster | undefined
  // Each of them once, then whichever.
  const due = faults.slice()
  while (performance.now() < until) {
    const chosen = random.pick(due.length > 0 ? due : faults)
    due.splice(due.indexOf(chosen), due.includes(chosen) ? 1 : 0)
    const fault = { ...chosen, lastsMs: chosen.lastsMs * (1 + random.next() * (STRETCH - 1)) }
    const seed = random.between(0, 2 ** 31)
    try {
      cluster ??= await startCluster({ services, main: alteredBuild(FAILPOINTS) })
      const outcome = await runFault(cluster, fault, { seed, size: 18, perSecond: 150 })
      outcomes.push(outcome)
      const bad = outcome.violations.map(({ invariant, what }) => `\n    ${invariant} ${what}`).join('')
      say(`${fault.id} ${fault.title}: ${outcome.acknowledged} facts, seed ${seed}${bad}`)
    } catch (error) {
      // What could not be brought about says something about the cluster, too.
      broken.push(`${fault.id} ${fault.title}, seed ${seed}: ${String(error)}`)
      say(`  ${broken.at(-1)}`)
      for (const node of cluster?.nodes ?? []) await node.end('SIGKILL')
      cluster = undefined
    }
  }
  say(`\n${tableOf(outcomes)}\n\nseed ${FAULTS_SEED}, ${outcomes.length} runs, ${broken.length} broken off`)
  expect(broken).toEqual([])
  expect(outcomes.flatMap(({ violations }) => violations)).toEqual([])
})

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
