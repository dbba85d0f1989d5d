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
  isOriginAllowed(origin: string | undefined): boolean
  /** @throws ConveneError `unauthenticated`, `token_expired`, `revoked`, `unavailable` */
  authenticate(token: string): Promise<Identity>
  /**
   * Believes what clients of the older families show as well: a token in the URL, a session's cookie, or a mere claim.
   * @throws ConveneError as `authenticate`
   */
  authenticateOlder(request: Request): Promise<Identity>
}

/** Who somebody is to a row that lets in whom `may` says. */
export type WhoCalls = (
  request: Request,
  response: Response,
  may: Exclude<May, 'public'>,
) => Promise<Caller | undefined>

/** [API1] Believes a key first, then a person's token as a bearer, and nothing in the query. */
export function createCallers(options: CallersOptions): WhoCalls {
  const { loopbackWithoutKey, authenticate, isOriginAllowed } = options
  const known = options.apiKeys.map(digest)
  const rates = new LRUCache<string, Rate>({ max: MAX_PEOPLE })

  function rateOf(userId: string): Rate {
    const rate = rates.get(userId) ?? new Rate(options.rateFactsPerSecond)
    rates.set(userId, rate)
    return rate
  }

  /** What is wrong with a key that is none of ours. */
  function wrongKey(bearer: string | undefined, may: May): string {
    if (may === 'user') return NO_PERSON
    if (bearer !== undefined && TOKEN_LIKE.test(bearer)) return "This takes a key, not a person's token"
    return known.length === 0 && loopbackWithoutKey
      ? 'No API_KEYS are set, so no key is right; callers on this computer show none'
      : 'This key is not one of API_KEYS'
  }

  function asPerson(identity: Identity): Caller {
    const rate = rateOf(identity.id)
    rate.take('requests')
    return { kind: 'user', identity, rate }
  }

  return async (request, response, may) => {
    if (may === 'older user') return asPerson(await options.authenticateOlder(request))
    if (may === 'older user or nobody') {
      return options.authenticateOlder(request).then(asPerson, () => undefined)
    }
    const bearer = /^Bearer (.+)$/i.exec(request.get('authorization') ?? '')?.[1]
    const key = bearer ?? request.get('x-api-key') ?? keyOfPath(response)
    if (key !== undefined && isKnown(key, known)) {
      if (may !== 'user') return { kind: 'service' }
      throw new ConveneError('unauthenticated', NO_PERSON)
    }
    if (bearer !== undefined && may !== 'key') {
      return asPerson(await authenticate(bearer))
    }
    // A wrong key is wrong in development too.
    if (key !== undefined) throw new ConveneError('unauthenticated', wrongKey(bearer, may))
    if (may !== 'user' && known.length === 0 && loopbackWithoutKey && isLocal(request)) {
      if (!isOfPageElsewhere(request, isOriginAllowed)) return { kind: 'service' }
      throw new ConveneError('unauthenticated', FROM_ELSEWHERE)
    }
    throw new ConveneError('unauthenticated', NEEDED[may])
  }
}

// Whose rate is remembered: of so many, those who asked last.
const MAX_PEOPLE = 10_000

// Three parts signed, five encrypted. Keys of ours have no such form.
const TOKEN_LIKE = /^[\w-]+(?:(?:\.[\w-]*){2}|(?:\.[\w-]*){4})$/
const NO_PERSON = 'A key speaks for no person: this needs Authorization: Bearer <token>'
const FROM_ELSEWHERE =
  "Without API_KEYS, programs on this computer may call, but no page of another site in its browser; set API_KEYS and show one from the app's server"

const NEEDED = {
  key: 'This needs a key: Authorization: Bearer <key>, or X-API-Key',
  user: 'This needs a token: Authorization: Bearer <token>',
  'key or user':
    'This needs a key: Authorization: Bearer <key>, or X-API-Key; or a token: Authorization: Bearer <token>',
}

/**
 * Whether a browser says that a page of another site asks. Any page may have it send a request without asking first, and
 * needs no answer for the harm to be done. Requests of an image or a link come without Origin.
 */
function isOfPageElsewhere(request: Request, isOriginAllowed: CallersOptions['isOriginAllowed']): boolean {
  return !isOriginAllowed(request.get('origin')) || request.get('sec-fetch-site') === 'cross-site'
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
