import { ConveneError } from '../../protocol/errors.ts'
import { type Identity, identityOf } from './identity.ts'
import { createJwksVerifier } from './jwks.ts'
import { createNextAuthVerifier, NEXTAUTH, V4_SALT } from './nextauth.ts'
import { createPublicKeyVerifier } from './public-key.ts'
import { tokenMissing, tokenRefused } from './refusals.ts'
import { createRemoteKeys } from './remote-keys.ts'
import { SESSION_COOKIES, type SessionCookieName, sessionCookies } from './session-cookie.ts'
import { createSignedTokenVerifier } from './signed-token.ts'
import { SIGNED } from './token-claims.ts'
import { tokenHeader } from './token-header.ts'
import type { TokenVerifier } from './token-verifier.ts'

export type { TokenVerifier } from './token-verifier.ts'

/** What somebody shows at the door. */
export interface Credentials {
  readonly token?: string | undefined
  /** [CON1] The whole Cookie header; handed over only where it may be believed, that is from an allowed Origin. */
  readonly cookie?: string | undefined
}

/** Somebody whose token verified. */
export interface Verified {
  readonly identity: Identity
  /** The token's `exp` in ms since 1970. A NextAuth session's may be up to 15 s ago. */
  readonly expiresAt: number
  /** The token's `jti`, by which it can be revoked. */
  readonly tokenId?: string
  /** The token's `iat` in ms since 1970. */
  readonly issuedAt?: number
}

export interface Authenticator {
  /**
   * Who it is.
   * @throws ConveneError [CON2] `unauthenticated`, `token_expired`, or `unavailable` when the issuer's keys cannot be had.
   */
  authenticate(credentials: Credentials): Promise<Verified>
}

/** Whose tokens are believed. Without any, nobody gets in. */
export interface AuthOptions {
  /** Shared secrets, the newest first. */
  readonly secrets: readonly string[]
  /** A public key or certificate, as PEM text. */
  readonly publicKey?: string | undefined
  readonly jwksUrl?: string | undefined
  /** The `iss` and `aud` that tokens must have. */
  readonly issuer?: string | undefined
  readonly audience?: string | undefined
  /** Whether NextAuth sessions made with one of the secrets are believed, as token and as cookie. */
  readonly nextAuth: boolean
}

// As a token a session has no cookie to tell its salt: these are the names Auth.js v5 gives it.
const TOKEN_SALTS = [V4_SALT, 'authjs.session-token', '__Secure-authjs.session-token']

/**
 * Believes tokens, and nothing else, about who somebody is.
 * @throws Error when an option cannot be used, saying what would do.
 */
export function createAuthenticator(options: AuthOptions): Authenticator {
  const { secrets, publicKey, jwksUrl, issuer, audience } = options
  const signedRules = { ...SIGNED, issuer, audience }
  const sessionRules = { ...NEXTAUTH, issuer, audience }

  const signed: TokenVerifier[] = [createSignedTokenVerifier(secrets, signedRules)]
  if (publicKey) signed.push(createPublicKeyVerifier(publicKey, signedRules))
  if (jwksUrl) signed.push(createJwksVerifier(createRemoteKeys(jwksUrl), signedRules))

  const forTokens = options.nextAuth ? [...signed, createNextAuthVerifier(secrets, TOKEN_SALTS, sessionRules)] : signed
  // An app may have NextAuth sign its sessions instead of encrypting them, so a cookie may hold any kind of token.
  const forCookies = new Map<SessionCookieName, readonly TokenVerifier[]>()
  for (const name of options.nextAuth ? SESSION_COOKIES : []) {
    const salts = name.endsWith('next-auth.session-token') ? [V4_SALT, name] : [name]
    forCookies.set(name, [...signed, createNextAuthVerifier(secrets, salts, sessionRules)])
  }

  async function judgeCookies(cookie: string): Promise<Verified | undefined> {
    let refusal: ConveneError | undefined
    for (const { name, token } of sessionCookies(cookie)) {
      try {
        return await judge(token, forCookies.get(name) ?? [])
      } catch (error) {
        refusal = worseOf(refusal, error)
      }
    }
    if (refusal) throw refusal
    return undefined
  }

  return {
    async authenticate({ token = '', cookie }) {
      // The caller's types end at the network: auth.token may be anything.
      if (typeof token !== 'string') throw tokenRefused('form')
      if (tokenHeader(token)) return await judge(token, forTokens)
      const session =
        options.nextAuth && typeof cookie === 'string' && cookie !== '' ? await judgeCookies(cookie) : undefined
      if (!session) throw token === '' ? tokenMissing() : tokenRefused('form')
      // dialects.md 2.1: old clients send a bare id as token. It proves nothing, so it may only repeat what the cookie proves.
      if (token !== '' && token !== session.identity.id) throw tokenRefused('not the id of the session')
      return session
    },
  }
}

/** Asks every verifier that knows such tokens, until one says yes. */
async function judge(token: string, verifiers: readonly TokenVerifier[]): Promise<Verified> {
  let refusal: ConveneError | undefined
  for (const verifier of verifiers) {
    if (!verifier.accepts(token)) continue
    try {
      const claims = await verifier.verify(token)
      return {
        identity: identityOf(claims),
        expiresAt: claims.exp * 1000,
        ...(typeof claims.jti === 'string' && claims.jti !== '' && { tokenId: claims.jti }),
        ...(claims.iat !== undefined && { issuedAt: Math.floor(claims.iat * 1000) }),
      }
    } catch (error) {
      refusal = worseOf(refusal, error)
    }
  }
  throw refusal ?? tokenRefused('form')
}

/** Of several refusals the one that says most; what is none is a defect and goes on. */
function worseOf(first: ConveneError | undefined, error: unknown): ConveneError {
  if (!(error instanceof ConveneError)) throw error
  return first === undefined || (first.code === 'unauthenticated' && error.code !== 'unauthenticated') ? error : first
}
