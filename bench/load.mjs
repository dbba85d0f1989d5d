// Runs the load generator against a server and refuses what it should not have measured.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { start } from './bench-room.mjs'
import { onCoreOf } from './machine.mjs'
import { Disturbed, Refused } from './refused.mjs'
import { tokensFile } from './tokens.mjs'

const BUILD = fileURLToPath(new URL('.build/', import.meta.url))
const SOURCE = fileURLToPath(new URL('wsload.c', import.meta.url))
const BINARY = `${BUILD}wsload`
// A generator above this share of its core may be what is measured, unless the server was as busy.
const BUSY = 0.9
// So late may one in a hundred messages leave before the rate is not the rate any more.
const MAX_LAG_MS = 2

const JOIN = [
  ['-path', '/socket.io/?EIO=4&transport=websocket'],
  ['-step', 'wait:0{'],
  ['-step', 'send:40{"token":"{token}"}'],
  ['-step', 'wait:40{'],
  ['-step', 'send:420["channel:join",{"channel":"project:p{room}"}]'],
  ['-step', 'wait:430[{"ok":true'],
].flat()

/** @throws Error when there is no C compiler */
export function buildGenerator() {
  mkdirSync(BUILD, { recursive: true })
  try {
    execFileSync('gcc', ['-O2', '-Wall', '-o', BINARY, SOURCE], { stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    throw new Error('The load generator is written in C and there is no gcc here; install it, like: apt install gcc')
  }
}

/**
 * Connects so many sessions, each joined to one channel, and goes on with what `args` say.
 * `connected` and `published` are what wsload.c prints of each phase; `end` closes the connections.
 */
export function load(server, { connections, channels, args = [] }) {
  const of = ['-p', server.port, '-pid', server.pid, '-n', connections, '-r', channels, '-tokens', tokensFile]
  const command = [BINARY, '-eio', ...of, ...JOIN, ...args].map(String)
  const { child, ended } = start(onCoreOf('generator', command))
  let said = ''
  child.stdout.on('data', (text) => {
    said += text
  })
  const phase = (name) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = phasesIn(said).find((line) => line.phase === name)
        if (found) resolve(found)
      }
      child.stdout.on('data', look)
      child.stdout.once('end', () => reject(new Error(`The generator ended without having ${name}`)))
      ended.catch(reject)
    })
  const connected = phase('connected').then((figures) => checked(figures, connections))
  const published = phase('published').then((figures) => checked(figures, connections))
  // Who wants only one of them need not look at the other.
  connected.catch(() => {})
  published.catch(() => {})
  async function end() {
    child.kill('SIGTERM')
    await ended
  }
  return { connected, published, end }
}

function phasesIn(text) {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

/** @throws Refused when connections were lost, Disturbed when the generator was the limit and not the server */
function checked(figures, connections) {
  const { live, serverCpu, serverQueued, ownCpu, ownQueued, lagP99Ms = 0 } = figures
  if (live !== connections) throw new Refused(`${connections - live} of ${connections} connections were lost`)
  if (ownCpu + ownQueued > BUSY && serverCpu + serverQueued < BUSY) {
    throw new Disturbed(
      `the load generator was the limit: it used ${percent(ownCpu)} of its core and waited for it ${percent(ownQueued)} of the time; the server used ${percent(serverCpu)}`,
    )
  }
  if (lagP99Ms > MAX_LAG_MS) {
    throw new Disturbed(
      `the load generator was late: one message in 100 by ${lagP99Ms} ms; it waited for its core ${percent(ownQueued)} of the time`,
    )
  }
  return figures
}

function percent(share) {
  return `${Math.round(share * 100)} %`
}
