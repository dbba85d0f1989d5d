// Tokens of distinct people, one a line, for the generator.
import { createSecretKey, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import jwt from 'jsonwebtoken'
import { folder } from './bench-room.mjs'

const PEOPLE = 5000

/** What the servers of this run verify tokens with. */
export const secret = randomBytes(32).toString('base64')

const key = createSecretKey(Buffer.from(secret))
export const tokensFile = join(folder, 'tokens.txt')
const lines = Array.from({ length: PEOPLE }, (_, i) =>
  jwt.sign({ sub: `user-${i}`, name: `Person ${i}` }, key, { algorithm: 'HS256', expiresIn: '1h' }),
)
writeFileSync(tokensFile, `${lines.join('\n')}\n`)
