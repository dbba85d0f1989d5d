import type { Request, RequestHandler, Response } from 'express'

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/
const LOCAL_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/
const KEY_PATH = /^\/k\/([^/]+)(?=\/)/

/** Takes the key of `/k/<key>/…` out of the path, for callers that can set only a URL. */
export const keyFromPath: RequestHandler = (request, response, next) => {
  const key = KEY_PATH.exec(request.url)?.[1]
  if (key !== undefined) {
    response.locals.key = decoded(key)
    request.url = request.url.slice(`/k/${key}`.length)
  }
  next()
}

/** The key that stood in the path. */
export function keyOfPath(response: Response): string | undefined {
  return response.locals.key as string | undefined
}

/** A key may hold what a path cannot, a slash of base64 say. */
function decoded(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    // Given, and nobody's.
    return ''
  }
}

/**
 * Whether the caller runs on this computer, not behind a proxy that does, and calls it by its own name: a page elsewhere
 * may have its name lead here (DNS rebinding), and then its requests come from this computer's browser.
 */
export function isLocal(request: Request): boolean {
  return (
    LOOPBACK.test(request.socket.remoteAddress ?? '') &&
    request.headers['x-forwarded-for'] === undefined &&
    LOCAL_HOST.test(request.get('host') ?? '')
  )
}
