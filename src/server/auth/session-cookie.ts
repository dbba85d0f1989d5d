import { parseCookie } from 'cookie'

/** The cookies a NextAuth session may be in, the most trusted first: a page without https cannot plant a `__Secure-` one. */
export const SESSION_COOKIES = [
  '__Secure-authjs.session-token',
  'authjs.session-token',
  '__Secure-next-auth.session-token',
  'next-auth.session-token',
] as const

export type SessionCookieName = (typeof SESSION_COOKIES)[number]

export interface SessionCookie {
  readonly name: SessionCookieName
  readonly token: string
}

/**
 * The sessions in a Cookie header. There may be several: apps on one host share cookies, on localhost whatever their port.
 * A session too large for one cookie comes in pieces, `name.0`, `name.1`, …, joined in the order of their numbers.
 */
export function sessionCookies(header: string): SessionCookie[] {
  const cookies = parseCookie(header)
  return SESSION_COOKIES.flatMap((name) => {
    let joined = ''
    for (let piece = 0; cookies[`${name}.${piece}`]; piece++) joined += cookies[`${name}.${piece}`]
    return [cookies[name], joined].filter((token) => token).map((token) => ({ name, token: token as string }))
  })
}
