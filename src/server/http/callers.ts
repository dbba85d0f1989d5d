import { createHash, timingSafeEqual } from 'node:crypto'
import type { Request, Response } from 'express'
import { LRUCache } from 'lru-cache'
import { ConveneError } from '../../protocol/errors.ts'
import type { Identity } from '../auth/identity.ts'
import { Rate } from '../session/limits.ts'
import { isLocal, keyOfPath } from './keys.ts'
import type { Caller, May } from './route.ts'

export interface CallersOptions {
  readonly apiKeys: readonly string[]
  /** Requests that one person may make; an app's server may make any number. */
  readonly rateFactsPerSecond: number
  /** Whether callers of this computer may do without a key where there are none: in development. */
  readonly loopbackWithoutKey: boolean
  /** @throws ConveneError `unauthenticated`, `token_expired`, `revoked`, `unavailable` */
  authenticate(token: string): Promise<Identity>
}

/** Who somebody is to a row that lets in whom `may` says. */
export type WhoCalls = (request: Request, response: Response, may: Exclude<May, 'public'>) => Promise<Caller>

/** [API1] Believes a key first, then a person's token as a bearer, and nothing in the query. */
export function createCallers(options: CallersOptions): WhoCalls {
  const { loopbackWithoutKey, authenticate } = options
  const known = options.apiKeys.map(digest)
  const rates = new LRUCache<string, Rate>({ max: MAX_PEOPLE })

  function rateOf(userId: string): Rate {
    const rate = rates.get(userId) ?? new Rate(options.rateFactsPerSecond)
    rates.set(userId, rate)
    return rate
  }

  return async (request, response, may) => {
    const bearer = /^Bearer (.+)$/i.exec(request.get('authorization') ?? '')?.[1]
    const key = bearer ?? request.get('x-api-key') ?? keyOfPath(response)
    if (key !== undefined && isKnown(key, known)) {
      if (may !== 'user') return { kind: 'service' }
      throw new ConveneError('unauthenticated', 'A key speaks for no person: this needs Authorization: Bearer <token>')
    }
    if (bearer !== undefined && may !== 'key') {
      const identity = await authenticate(bearer)
      const rate = rateOf(identity.id)
      rate.take('requests')
      return { kind: 'user', identity, rate }
    }
    // A wrong key is wrong in development too.
    if (key !== undefined) throw new ConveneError('unauthenticated', 'This key is not one of API_KEYS')
    if (may !== 'user' && known.length === 0 && loopbackWithoutKey && isLocal(request)) return { kind: 'service' }
    throw new ConveneError('unauthenticated', NEEDED[may])
  }
}

// Whose rate is remembered: of so many, those who asked last.
const MAX_PEOPLE = 10_000

const NEEDED = {
  key: 'This needs a key: Authorization: Bearer <key>, or X-API-Key',
  user: 'This needs a token: Authorization: Bearer <token>',
  'key or user':
    'This needs a key: Authorization: Bearer <key>, or X-API-Key; or a token: Authorization: Bearer <token>',
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
