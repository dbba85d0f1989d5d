// Faults for as long as one likes: `npm run faults -- --seed 7 --minutes 10`, `--only F04`, or `--figures`.
import { parseArgs } from 'node:util'
import { startVitest } from 'vitest/node'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '2' },
    only: { type: 'string' },
    figures: { type: 'boolean', default: false },
  },
})
const [seed, minutes] = [Number(values.seed), Number(values.minutes)]
if (!Number.isInteger(seed) || seed < 0 || !(minutes > 0)) {
  process.stderr.write('Usage: npm run faults -- [--seed <0…>] [--minutes <length>] [--only <F01…>] | --figures\n')
  process.exit(2)
}

const file = values.figures ? 'test/faults/figures.ts' : 'test/faults/campaign.ts'
const vitest = await startVitest('test', [], {
  config: false,
  watch: false,
  include: [file],
  reporters: [['default', { summary: false }]],
  disableConsoleIntercept: true,
  testTimeout: 2 ** 31 - 1,
  hookTimeout: 120_000,
  env: { FAULTS_SEED: String(seed), FAULTS_MINUTES: String(minutes), FAULTS_ONLY: values.only ?? '' },
})
await vitest.close()
