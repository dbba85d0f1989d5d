import type { Command } from 'commander'
import { helpText, type Options, readOptions } from '../server/config/config.ts'
import { banner } from './banner.ts'
import { createJournal } from './journal.ts'
import { Refusal } from './refusal.ts'
import { stopper } from './stopper.ts'

/** `convene serve`: the server, until a signal stops it. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('run the server; its options are environment variables')
    .addHelpText('after', () => `\n${helpText()}`)
    .action(serve)
}

/**
 * Runs the server of this process.
 * @throws ConfigError; Refusal with exit code 1 when it cannot listen or open its store
 */
async function serve(): Promise<void> {
  const options = readOptions(process.env)
  // Only here: the other commands need none of it, and start sooner without.
  const { createServer } = await import('../server/server.ts')
  const server = createServer(options)
  const journal = createJournal(options.nodeEnv === 'production')
  const stop = stopper(() => server.close(), options.drainMs, journal)
  let serving = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // Before it serves anybody there is nothing to end in good order; it may be waiting for its store.
    process.on(signal, () => (serving ? stop(0) : process.exit(0)))
  }
  // One request's mistake is not everybody's end; what nobody caught may have left anything half done.
  process.on('unhandledRejection', (reason) => journal.failure('a promise was rejected and nobody listened', reason))
  process.on('uncaughtException', (error) => {
    journal.failure('an exception was not caught; stopping', error)
    stop(1)
  })
  const { url, port } = await server.listen().catch(async (error: unknown) => {
    await server.close().catch(() => undefined)
    throw new Refusal(1, whyNot(error, options))
  })
  serving = true
  if (options.nodeEnv === 'production') journal.note('listening', { url, port, pid: process.pid })
  else console.log(banner(options, url, port))
  // For PM2, which waits for it before it stops the next process.
  process.send?.('ready')
}

/** Why a server could not start, and what would help. */
function whyNot(error: unknown, { port, host }: Options): string {
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use already: stop what listens there, or set PORT to another (0 takes any free one).`
    case 'EACCES':
      return `This user may not listen on port ${port}: set PORT to one above 1023.`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST is ${host}: this computer has no such address. Give one of its own, or 0.0.0.0 for all of them.`
    default:
      return message
  }
}
