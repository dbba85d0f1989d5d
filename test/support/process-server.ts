import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanup } from './cleanup.ts'
import { SECRET } from './start-server.ts'

/** The command line as it is installed: `npx tsc -b` builds it. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const STARTS_WITHIN_MS = 30_000

/** A server in a process of its own. */
export interface ProcessServer {
  readonly url: string
  readonly port: number
  readonly pid: number
  /** Sends a signal, SIGTERM unless given. */
  kill(signal?: NodeJS.Signals): void
  /** Resolves to the exit code, `null` when a signal ended it. */
  readonly exited: Promise<number | null>
  /** What it wrote so far, stdout and stderr. */
  output(): string
}

/** Where a server process lives. */
export interface ProcessPlace {
  /** Its working directory, with its database `convene.db`; starting again in the same one continues it. */
  readonly folder: string
  /** Another build's command line than the one that is installed. */
  readonly main?: string
}

/**
 * Starts `convene serve` with a database in `folder`, on a free port unless `PORT` is given, and resolves when it listens.
 * It sees no environment but `env` and what is set here. Killed when the test ends.
 * @throws Error with the output of a process that ended before it listened
 */
export async function startProcess(
  env: Readonly<Record<string, string>>,
  { folder, main = MAIN }: ProcessPlace,
): Promise<ProcessServer> {
  if (!existsSync(main)) throw new Error(`${main} is not there; build it with: npx tsc -b`)
  const child = spawn(process.execPath, [main, 'serve'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      PORT: '0',
      JWT_SECRET: SECRET,
      DATABASE_URL: `sqlite:${join(folder, 'convene.db')}`,
      LOG_LEVEL: 'warn',
      RATE_CONNECTIONS_PER_MINUTE: '1000000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('exit', resolve)
    child.once('error', reject)
  })
  cleanup(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let output = ''
  const port = await new Promise<number>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`convene serve ${why}; it wrote:\n${output}`))
    const timer = setTimeout(() => fail(`did not listen within ${STARTS_WITHIN_MS} ms`), STARTS_WITHIN_MS)
    function read(chunk: string): void {
      output += chunk
      const found = /listening\b.*?http:\/\/[^\s"]+:(\d+)/.exec(output)?.[1]
      if (found === undefined) return
      clearTimeout(timer)
      resolve(Number(found))
    }
    child.stdout.setEncoding('utf8').on('data', read)
    child.stderr.setEncoding('utf8').on('data', read)
    exited.then((code) => {
      clearTimeout(timer)
      fail(`ended with ${code} before it listened`)
    }, reject)
  })
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: child.pid as number,
    kill: (signal = 'SIGTERM') => void child.kill(signal),
    exited,
    output: () => output,
  }
}
