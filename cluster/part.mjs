// One process of the cluster: started, watched, started again when it ends by itself, stopped.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const STARTS_WITHIN_MS = 30_000
const STOPS_WITHIN_MS = 15_000
const READ_WITHIN_MS = 1000
const AGAIN_AFTER_MS = 250
const AGAIN_AT_MOST_MS = 5000

/**
 * Starts a process in a group of its own, so that Ctrl-C in the terminal comes to this one alone, which stops the others in order.
 * Resolves when it has written what `ready` matches.
 * @param {object} part `name`, `command`, `args`, `options` for spawn, `input` for its stdin, `ready` and the signal `stopWith`;
 *   `show(line)` is given what it writes once it is ready, `say(line)` what becomes of it
 * @throws Error with its output when it does not start
 */
export async function startPart({ name, command, args, options, input, ready, stopWith, show, say }) {
  let child
  let stopping
  let again

  async function start() {
    let output = ''
    let isReady = false
    const started = spawn(command, args, { ...options, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    child = started
    const ended = new Promise((resolve) => {
      started.once('error', (error) => resolve(error.message))
      started.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    // Later than its end: what it wrote last is read by then.
    const closed = new Promise((resolve) => started.once('close', resolve))
    // One that ends at once reads nothing.
    started.stdin.on('error', () => {})
    started.stdin.end(input)
    const wrote = new Promise((resolve) => {
      for (const stream of [started.stdout, started.stderr]) {
        stream.setEncoding('utf8').on('data', (text) => {
          if (isReady) return show?.(text)
          output += text
          if (!ready.test(output)) return
          isReady = true
          resolve(undefined)
        })
      }
    })
    let timer
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, STARTS_WITHIN_MS, `not ready within ${STARTS_WITHIN_MS / 1000} s`)
    })
    const failure = await Promise.race([wrote, ended, late])
    clearTimeout(timer)
    if (failure !== undefined) {
      killGroup(started)
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, READ_WITHIN_MS))])
      throw new Error(`${name} did not start (${failure}):\n${output.trim()}`)
    }
    void ended.then((how) => {
      killGroup(started)
      if (stopping) return
      say(`${name}, process ${started.pid}, has ended (${how}); it is started again`)
      restart(AGAIN_AFTER_MS)
    })
  }

  function restart(afterMs) {
    again = setTimeout(async () => {
      try {
        await start()
        if (!stopping) say(`${name} is back as process ${child.pid}`)
      } catch (error) {
        if (stopping) return
        say(error.message)
        restart(Math.min(afterMs * 2, AGAIN_AT_MOST_MS))
      }
    }, afterMs)
  }

  async function end() {
    clearTimeout(again)
    if (hasEnded(child)) return killGroup(child)
    const exited = once(child, 'exit')
    child.kill(stopWith)
    const timer = setTimeout(killGroup, STOPS_WITHIN_MS, child)
    await exited
    clearTimeout(timer)
    killGroup(child)
  }

  function stop() {
    stopping ??= end()
    return stopping
  }

  const part = {
    name,
    get pid() {
      return child.pid
    },
    /** Stopping twice is one stop. */
    stop,
  }
  await start()
  return part
}

function hasEnded(child) {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

/** Whatever is left of a process and those it started: an nginx that was killed leaves its workers. */
function killGroup({ pid }) {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing is.
  }
}
