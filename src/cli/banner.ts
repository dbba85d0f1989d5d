import { dirname, resolve } from 'node:path'
import { believesClaims } from '../server/config/believes-claims.ts'
import type { Options } from '../server/config/config.ts'

const SQLITE = 'sqlite:'
const MEMORY = `${SQLITE}:memory:`

/** What somebody who has just started a server in development wants to know. Holds no secret. */
export function banner(options: Options, url: string, port: number): string {
  const { databaseUrl, redisUrl, access, demo } = options
  const isFile = databaseUrl.startsWith(SQLITE) && databaseUrl !== MEMORY
  const file = isFile ? resolve(databaseUrl.slice(SQLITE.length)) : undefined
  const verifies = options.jwtSecrets.length > 0 || options.jwtPublicKey !== undefined || options.jwksUrl !== undefined
  const lines = [
    `Convene is listening on ${url}  (development; NODE_ENV=production is strict)`,
    '',
    `  data     ${file ?? (databaseUrl === MEMORY ? 'in memory only: gone when this stops' : placeOf(databaseUrl))}`,
    redisUrl !== undefined && `  redis    ${placeOf(redisUrl)}`,
    !verifies &&
      `  secret   generated${file ? `, kept in ${dirname(file)}` : ' for this run'}; set JWT_SECRET to choose one`,
    believesClaims(options) &&
      `  identity NOT VERIFIED: older clients are whoever they say they are; ${verifies ? 'unset INSECURE_IDENTITY' : 'set JWT_SECRET'} to believe tokens only`,
    access === 'open' && '  access   open: everybody who shows a token may edit everything; set ACCESS to decide',
    demo &&
      `\n  Open these in two windows:\n    http://localhost:${port}/?as=ann\n    http://localhost:${port}/?as=ben`,
  ]
  return `\n${lines.filter((line) => line !== false).join('\n')}\n`
}

/** Where a database is: not as whom, nor with which password. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url)
  return host + pathname
}
