import type { IncomingHttpHeaders } from 'node:http'

const LOCALHOST = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/

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

/** [CON7] Whether a page of this origin may connect. None at all is not a browser, and may. */
export function isOriginAllowed(origin: string | undefined, allowed: AllowedOrigins): boolean {
  if (origin === undefined) return true
  if (allowed === 'localhost') return LOCALHOST.test(origin)
  return allowed.includes(origin) || allowed.includes('*')
}
