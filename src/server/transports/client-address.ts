import type { IncomingMessage } from 'node:http'

/**
 * Who is at the other end: with so many proxies in front, the address that the outermost of them saw. What a client
 * wrote into `X-Forwarded-For` itself stands further left and is never believed.
 */
export function clientAddress(request: IncomingMessage, proxies: number): string {
  const seen = [request.socket.remoteAddress ?? '']
  const forwarded = request.headers['x-forwarded-for']
  if (proxies > 0 && forwarded)
    seen.push(
      ...String(forwarded)
        .split(',')
        .map((part) => part.trim())
        .reverse(),
    )
  return seen[Math.min(proxies, seen.length - 1)] ?? ''
}
