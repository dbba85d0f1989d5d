import type { IncomingMessage } from 'node:http'
import { parseCookie } from 'cookie'
import type { Credentials } from '../auth/authenticator.ts'
import { type AllowedOrigins, isOriginAllowed } from './origin.ts'

const BEARER_PROTOCOL = /^bearer\.(.+)$/

/** What the handshake of a plain WebSocket shows of who is there [D3]. */
export interface PlainCredentials extends Credentials {
  /** Who somebody says they are, which proves nothing: a `userId` of the query, as bearer, or of a cookie. */
  readonly claimed: string | undefined
}

/**
 * A token comes as `?token=`, as the first subprotocol `bearer.<token>`, or as bearer; a cookie counts only from a page
 * whose origin is allowed.
 */
export function plainCredentials(
  request: IncomingMessage,
  query: URLSearchParams,
  allowed: AllowedOrigins,
): PlainCredentials {
  const { headers } = request
  const offered = headers['sec-websocket-protocol']?.split(',')[0]?.trim() ?? ''
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  const fromPage =
    headers.origin === undefined
      ? headers['sec-fetch-site'] === 'same-origin'
      : isOriginAllowed(headers.origin, allowed)
  const cookie = fromPage ? headers.cookie : undefined
  return {
    token: query.get('token') || BEARER_PROTOCOL.exec(offered)?.[1] || bearer,
    cookie,
    claimed: query.get('userId') || bearer || (headers.cookie && parseCookie(headers.cookie).userId) || undefined,
  }
}

/** Which of the subprotocols a client offers is agreed on: browsers want one of them, and rather not the token. */
export function agreedProtocol(offered: ReadonlySet<string>): string | false {
  const [first] = offered
  return [...offered].find((protocol) => !BEARER_PROTOCOL.test(protocol)) ?? first ?? false
}
