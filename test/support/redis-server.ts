// A Redis of a test's own.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { cleanup } from './cleanup.ts'
import { freePort } from './free-port.ts'

const STARTS_WITHIN_MS = 20_000
const ASK_EVERY_MS = 20

/** A Redis server on this machine alone, without persistence. */
export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Of the process that runs now. */
  readonly pid: number
  /** Ends it; stopping twice is one stop. */
  stop(): Promise<void>
  /** Ends it as a crash does. Resolves when it is gone. */
  kill9(): Promise<void>
  /** Starts it again on the same port, empty; ends it first when it runs. Resolves when it answers. */
  restart(): Promise<void>
  /** It stays connected and does nothing any more, until `thaw`. */
  freeze(): void
  thaw(): void
  /** What `redis-cli` says to a command, without the last line end. */
  cli(...command: string[]): Promise<string>
}

/** How a Redis is set up. */
export interface RedisServerOptions {
  /** More of its command line, as `['--requirepass', 'secret']`. */
  readonly args?: readonly string[]
  /** How `cli` logs in, as `['--user', 'a', '--pass', 'b']`. */
  readonly login?: readonly string[]
}

/**
 * Starts a Redis on a free loopback port, and resolves when it answers. Killed when the test ends.
 * @throws Error with the output of a server that did not start
 */
export async function startRedis({ args = [], login = [] }: RedisServerOptions = {}): Promise<RedisServer> {
  const port = await freePort()
  let server: ChildProcess | undefined

  async function start(): Promise<void> {
    const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', '/tmp']
    const child = spawn('redis-server', [...settings, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    server = child
    let output = ''
    child.on('error', (error) => {
      output += error.message
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output = (output + chunk).slice(-10_000)
      })
    }
    const deadline = Date.now() + STARTS_WITHIN_MS
    // One that wants a password answers as well.
    while (!/PONG|NOAUTH|NOPERM/.test(await cli('PING').catch(String))) {
      if (Date.now() > deadline || hasEnded(child)) throw new Error(`redis-server did not start:\n${output}`)
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
    }
  }

  async function cli(...command: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('redis-cli', ['-p', `${port}`, ...login, ...command])
    return stdout.replace(/\n$/, '')
  }

  async function kill9(): Promise<void> {
    const child = server
    if (!child || child.pid === undefined || hasEnded(child)) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  cleanup(kill9)
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get pid() {
      return server?.pid as number
    },
    stop: kill9,
    kill9,
    async restart() {
      await kill9()
      await start()
    },
    freeze: () => void server?.kill('SIGSTOP'),
    thaw: () => void server?.kill('SIGCONT'),
    cli,
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
