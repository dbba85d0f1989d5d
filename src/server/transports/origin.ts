const LOCALHOST = /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/

/** What `ALLOWED_ORIGINS` says: exact origins, `*`, or any origin of this machine. */
export type AllowedOrigins = readonly string[] | 'localhost'

/** [CON7] Whether a page of this origin may connect. None at all is not a browser, and may. */
export function isOriginAllowed(origin: string | undefined, allowed: AllowedOrigins): boolean {
  if (origin === undefined) return true
  if (allowed === 'localhost') return LOCALHOST.test(origin)
  return allowed.includes(origin) || allowed.includes('*')
}
