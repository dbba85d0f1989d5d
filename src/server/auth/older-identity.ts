import type { IncomingHttpHeaders } from 'node:http'
import { parseCookie } from 'cookie'
import { ConveneError, catalogued } from '../../protocol/errors.ts'
import type { Authenticator, Credentials, Verified } from './authenticator.ts'
import { identityOf } from './identity.ts'

// Signed or encrypted, well made or not: as somebody's id it would be told to everybody.
const TOKEN_LIKE = /^eyJ[\w-]*\.[\w-]*\.[\w.-]*$/

/** What a request of an older family shows of who is there [D3]. */
export interface Shown extends Credentials {
  /** Who they say they are, which proves nothing. */
  readonly claimed: string | undefined
  /** Whether something was shown as a token: it is judged as one, and no claim is believed in its place. */
  readonly showsToken: boolean
}

/**
 * A token comes as `?token=`, as the first WebSocket subprotocol `bearer.<token>`, or as bearer; a claim as `?userId=`, as
 * bearer, or in a cookie `userId`. Cookies count only `fromPage`: from a page whose origin is allowed.
 */
export function shownIn(headers: IncomingHttpHeaders, query: URLSearchParams, fromPage: boolean): Shown {
  const offered = headers['sec-websocket-protocol']?.split(',')[0]?.trim() ?? ''
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  const cookie = fromPage ? headers.cookie : undefined
  // A bearer may be a token or, as of old, an id.
  const claimedBearer = bearer !== undefined && !TOKEN_LIKE.test(bearer) ? bearer : undefined
  const token = query.get('token') || /^bearer\.(.+)$/.exec(offered)?.[1]
  return {
    token: token || bearer,
    cookie,
    claimed: query.get('userId') || claimedBearer || (cookie && parseCookie(cookie).userId) || undefined,
    showsToken: token !== undefined || bearer !== claimedBearer,
  }
}

/** Who somebody is, by a token; or, by their own word alone, for now: they may say another. */
export interface Believed extends Verified {
  readonly isClaim?: true
}

/** Who clients of the older families are. */
export interface OlderIdentity {
  /** Whether clients are who they say they are. */
  readonly believesClaims: boolean
  /**
   * Believes a token; where claims are believed and no token was shown, a claim, or else that it is `nobody`.
   * @throws ConveneError what the authenticator throws; `invalid` when what is claimed is no id
   */
  identify(shown: Shown, nobody?: string): Promise<Believed>
  /** Somebody by their own word. @throws ConveneError `invalid` when that is no id */
  claimed(userId: string): Believed
}

export function createOlderIdentity(authenticator: Authenticator, believesClaims: boolean): OlderIdentity {
  return {
    believesClaims,
    claimed,
    async identify(shown, nobody) {
      try {
        return await authenticator.authenticate(shown)
      } catch (error) {
        const claim = shown.claimed ?? nobody
        if (!believesClaims || shown.showsToken || !claim || catalogued(error).code !== 'unauthenticated') throw error
        return claimed(claim)
      }
    },
  }
}

function claimed(userId: string): Believed {
  const refusal = new ConveneError('invalid', 'Expected as userId 1 to 256 characters, and no token')
  if (TOKEN_LIKE.test(userId)) throw refusal
  try {
    return { identity: identityOf({ sub: userId }), expiresAt: Number.MAX_SAFE_INTEGER, isClaim: true }
  } catch {
    throw refusal
  }
}
