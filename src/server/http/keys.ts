import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request, RequestHandler } from 'express'
import { ConveneError } from '../../protocol/errors.ts'

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

/**
 * [API1] Lets only callers with one of the keys through. Where there are no keys, `loopbackWithout` says whether callers
 * of this computer may without: in development. A wrong key is wrong there too.
 */
export function requireKey(keys: readonly string[], loopbackWithout: boolean): RequestHandler {
  const known = keys.map(digest)
  return (request, response, next) => {
    const given = keyOf(request) ?? (response.locals.key as string | undefined)
    if (given !== undefined) {
      if (isKnown(given, known)) return next()
      throw new ConveneError('unauthenticated', 'This key is not one of API_KEYS')
    }
    if (known.length === 0 && loopbackWithout && isLocal(request)) return next()
    throw new ConveneError('unauthenticated', 'This needs a key: Authorization: Bearer <key>, or X-API-Key')
  }
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

function keyOf(request: Request): string | undefined {
  return /^Bearer (.+)$/i.exec(request.get('authorization') ?? '')?.[1] ?? request.get('x-api-key')
}

// Digests have one length, and comparing them takes one time, whatever the key; all are compared.
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function isKnown(given: string, known: readonly Buffer[]): boolean {
  const mine = digest(given)
  let found = false
  for (const key of known) found = timingSafeEqual(key, mine) || found
  return found
}
