// What the bench leaves behind otherwise: a temp folder and processes, gone when it ends in whatever way.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for this run only. */
export const folder = mkdtempSync(join(tmpdir(), 'convene-bench-'))
const running = new Set()

process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

/** Starts a process that does not outlive the bench. `ended` resolves to its exit code, or to the signal it died of. */
export function start([command, ...args], env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  running.add(child)
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      running.delete(child)
      resolve(code ?? signal)
    })
  })
  child.stdout.setEncoding('utf8')
  return { child, ended }
}
