import jwt from 'jsonwebtoken'
import { SECRET } from './start-server.ts'

/** A token for somebody, good for an hour unless the claims say otherwise. */
export function tokenFor(sub: string, claims: Record<string, unknown> = {}, secret = SECRET): string {
  const exp = Math.floor(Date.now() / 1000) + 3600
  return jwt.sign({ sub, exp, ...claims }, secret, { algorithm: 'HS256' })
}
