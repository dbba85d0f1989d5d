import { spawn } from 'node:child_process'
import { cleanup } from './cleanup.ts'
import { MAIN } from './process-server.ts'

/** Where a command runs: its folder, and all it sees of the environment. */
export interface CommandPlace {
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
}

/** A command that runs. */
export interface Command {
  readonly pid: number
  /** What it wrote so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  /** Resolves when stdout, or stderr, has come to match. Rejects when it ends without. */
  sees(pattern: RegExp): Promise<RegExpExecArray>
  kill(signal: NodeJS.Signals): void
  /** Resolves to the exit code, `null` when a signal ended it, once all it wrote was read. */
  readonly exited: Promise<number | null>
}

/** Starts `convene` with arguments, as a shell would. Killed when the test ends. */
export function startCommand(args: readonly string[], { folder, env = {} }: CommandPlace): Command {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  const looks = new Set<() => void>()
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      written[name] += chunk
      for (const look of looks) look()
    })
  }
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  cleanup(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return {
    pid: child.pid as number,
    stdout: () => written.stdout,
    stderr: () => written.stderr,
    kill: (signal) => void child.kill(signal),
    exited,
    sees(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(written.stdout) ?? pattern.exec(written.stderr)
          if (found) resolve(found)
        }
        looks.add(look)
        look()
        void exited.then(() => reject(new Error(`ended without ${pattern}:\n${written.stdout}${written.stderr}`)))
      })
    },
  }
}

/** Runs `convene` with arguments to its end. */
export async function run(args: readonly string[], place: CommandPlace) {
  const command = startCommand(args, place)
  const code = await command.exited
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}
