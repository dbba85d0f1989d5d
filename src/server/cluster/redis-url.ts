/** @throws Error that does not hold the URL, for it may hold a password */
export function checkedRedisUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !/^\/?\d*$/.test(url.pathname)) {
    throw new Error(
      'REDIS_URL is no Redis address; give one like redis://user:password@host:6379, or rediss:// for TLS',
    )
  }
  if (!isDecodable(url.username) || !isDecodable(url.password)) {
    throw new Error('REDIS_URL holds a % in its user or password that stands for nothing; write it as %25')
  }
  return given
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}
