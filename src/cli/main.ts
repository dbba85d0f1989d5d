#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { ConveneError } from '../protocol/errors.ts'
import { ConfigError } from '../server/config/config.ts'
import { addPublish } from './publish.ts'
import { Refusal } from './refusal.ts'
import { addServe } from './serve.ts'
import { addTail } from './tail.ts'
import { addToken } from './token.ts'

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

const program = new Command('convene')
  .description('Convene, the collaboration server for Socket.IO apps.')
  .version(version)
  .configureHelp({ helpWidth: 100 })
  // Asked wrongly is exit code 2 for every command, so commander must not exit by itself.
  .exitOverride()
addServe(program)
addToken(program)
addPublish(program)
addTail(program)

await program.parseAsync().catch((error: unknown) => process.exit(tell(error)))

/** Says what went wrong; gives back the exit code. */
function tell(error: unknown): number {
  // Commander has said it already, and help counts as such an error.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof ConfigError || error instanceof Refusal || error instanceof ConveneError) {
    console.error(error.message)
    if (error instanceof Refusal) return error.exitCode
    return error instanceof ConfigError ? 2 : 1
  }
  console.error(error)
  return 1
}
