// The two servers that are compared, each started fresh for every measurement.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { folder, start } from './bench-room.mjs'
import { onCoreOf } from './machine.mjs'
import { secret } from './tokens.mjs'

/** In the order in which a round measures them. */
export const SERVERS = ['baseline', 'convene']
const PROGRAMS = { baseline: 'baseline.mjs', convene: 'serve.mjs' }
const PROFILES = fileURLToPath(new URL('.build/profiles', import.meta.url))
const READY_MS = 15_000

/** Starts one of the servers. `stop` lets it close what it has open; its database stays until the bench ends. */
export async function startServer(name) {
  const file = join(folder, `${randomUUID()}.db`)
  const profile = process.env.BENCH_PROFILE && name === 'convene' ? ['--cpu-prof', `--cpu-prof-dir=${PROFILES}`] : []
  const program = fileURLToPath(new URL(PROGRAMS[name], import.meta.url))
  const { child, ended } = start(onCoreOf('server', [process.execPath, ...profile, program]), {
    NODE_ENV: 'production',
    JWT_SECRET: secret,
    DATABASE_FILE: file,
  })
  const port = await new Promise((resolve, reject) => {
    const impatient = setTimeout(() => reject(new Error(`${name} did not start within ${READY_MS} ms`)), READY_MS)
    const settled = (settle) => (value) => {
      clearTimeout(impatient)
      settle(value)
    }
    child.stdout.on('data', (text) => {
      const said = /listening on (\d+)/.exec(text)?.[1]
      if (said) settled(resolve)(Number(said))
    })
    ended.then((end) => settled(reject)(new Error(`${name} ended before it listened: ${end}`)), settled(reject))
  })
  async function stop() {
    child.kill('SIGTERM')
    await ended
  }
  return { name, pid: child.pid, port, file, stop }
}
