import type { IncomingHttpHeaders } from 'node:http'
import { parseCookie } from 'cookie'
import { catalogued } from '../../protocol/errors.ts'
import type { Authenticator, Credentials, Verified } from './authenticator.ts'
import { identityOf } from './identity.ts'

/** What a request of an older family shows of who is there [D3]. */
export interface Shown extends Credentials {
  /** Who they say they are, which proves nothing. */
  readonly claimed: string | undefined
}

/**
 * A token comes as `?token=`, as the first WebSocket subprotocol `bearer.<token>`, or as bearer; a claim as `?userId=`, as
 * bearer, or in a cookie `userId`. Cookies count only `fromPage`: from a page whose origin is allowed.
 */
export function shownIn(headers: IncomingHttpHeaders, query: URLSearchParams, fromPage: boolean): Shown {
  const offered = headers['sec-websocket-protocol']?.split(',')[0]?.trim() ?? ''
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  const cookie = fromPage ? headers.cookie : undefined
  return {
    token: query.get('token') || /^bearer\.(.+)$/.exec(offered)?.[1] || bearer,
    cookie,
    claimed: query.get('userId') || bearer || (cookie && parseCookie(cookie).userId) || undefined,
  }
}

/** Who clients of the older families are. */
export interface OlderIdentity {
  /** Whether clients are who they say they are. */
  readonly believesClaims: boolean
  /**
   * Believes a token; where claims are believed and no token was shown, a claim, or else that it is `nobody`.
   * @throws ConveneError what the authenticator throws
   */
  identify(shown: Shown, nobody?: string): Promise<Verified>
  /** Somebody by their own word. @throws ConveneError when that is no id */
  claimed(userId: string): Verified
}

export function createOlderIdentity(authenticator: Authenticator, believesClaims: boolean): OlderIdentity {
  const claimed = (userId: string): Verified => ({
    identity: identityOf({ sub: userId }),
    expiresAt: Number.MAX_SAFE_INTEGER,
  })
  return {
    believesClaims,
    claimed,
    async identify(shown, nobody) {
      try {
        return await authenticator.authenticate(shown)
      } catch (error) {
        const claim = shown.claimed ?? nobody
        // What was shown as a token is judged as one.
        const showsNone = shown.token === undefined || shown.token === shown.claimed
        if (!believesClaims || !showsNone || !claim || catalogued(error).code !== 'unauthenticated') throw error
        return claimed(claim)
      }
    },
  }
}
