import { dirname, resolve } from 'node:path'
import type { Options } from '../server/config/config.ts'

const MEMORY = 'sqlite::memory:'

/** What somebody who has just started a server in development wants to know. Holds no secret. */
export function banner(options: Options, url: string, port: number): string {
  const { databaseUrl, access, demo } = options
  const file = databaseUrl === MEMORY ? undefined : resolve(databaseUrl.slice('sqlite:'.length))
  const verifies = options.jwtSecrets.length > 0 || options.jwtPublicKey !== undefined || options.jwksUrl !== undefined
  const lines = [
    `Convene is listening on ${url}  (development; NODE_ENV=production is strict)`,
    '',
    `  data     ${file ?? 'in memory only: gone when this stops'}`,
    !verifies &&
      `  secret   generated${file ? `, kept in ${dirname(file)}` : ' for this run'}; set JWT_SECRET to choose one`,
    access === 'open' && '  access   open: everybody who shows a token may edit everything; set ACCESS to decide',
    demo &&
      `\n  Open these in two windows:\n    http://localhost:${port}/?as=ann\n    http://localhost:${port}/?as=ben`,
  ]
  return `\n${lines.filter((line) => line !== false).join('\n')}\n`
}
