import type { IncomingHttpHeaders } from 'node:http'

const LOCALHOST = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/

// `localhost`, `devbox`, `192.168.0.7`, `[::1]`; with a port or without.
const NO_SITE = /^([^.:[\]]+|\d{1,3}(\.\d{1,3}){3}|\[[\da-f:.]+\])(:\d{1,5})?$/i

/** What `ALLOWED_ORIGINS` says: exact origins, `*`, or any origin of this machine. */
export type AllowedOrigins = readonly string[] | 'localhost'

/**
 * Whether a page asks whose origin is allowed, so that its cookies count: browsers send no Origin with what a page asks of
 * its own origin, but say so.
 */
export function isFromPage(headers: IncomingHttpHeaders, allowed: AllowedOrigins): boolean {
  if (headers.origin === undefined) return headers['sec-fetch-site'] === 'same-origin'
  return isOriginAllowed(headers.origin, allowed)
}

/**
 * Whether a page elsewhere may be asking. Of its own origin a page asks without Origin, and it may have its own name lead
 * here (DNS rebinding): so a request without one has to call this server by an address, or by a name without a dot,
 * which no page elsewhere has, or by that of an allowed origin.
 */
export function mayBeFromElsewhere({ origin, host }: IncomingHttpHeaders, allowed: AllowedOrigins): boolean {
  if (origin !== undefined) return !isOriginAllowed(origin, allowed)
  if (host === undefined || NO_SITE.test(host)) return false
  return !['http', 'https'].some((scheme) => isOriginAllowed(`${scheme}://${host}`, allowed))
}

/** [CON7] Whether a page of this origin may connect. None at all is not a browser, and may. */
export function isOriginAllowed(origin: string | undefined, allowed: AllowedOrigins): boolean {
  if (origin === undefined) return true
  if (allowed === 'localhost') return LOCALHOST.test(origin)
  return allowed.includes(origin) || allowed.includes('*')
}
