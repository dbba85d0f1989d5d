/** @throws Error that does not hold the URL, for it may hold a password */
export function checkedRedisUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !/^\/?\d*$/.test(url.pathname)) {
    throw new Error(
      'REDIS_URL is no Redis address; give one like redis://user:password@host:6379, or rediss:// for TLS',
    )
  }
  return given
}
