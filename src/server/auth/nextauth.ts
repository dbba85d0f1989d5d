import { createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { type CompactDecryptResult, compactDecrypt } from 'jose'
import { tokenRefused } from './refusals.ts'
import { type ClaimRules, checkClaims } from './token-claims.ts'
import { jsonObjectOf, type TokenHeader, tokenHeader } from './token-header.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** NextAuth v4 derives its key without a salt; Auth.js v5 salts it with the session cookie's name. */
export const V4_SALT = ''

/** What NextAuth itself allows; it writes neither `iss` nor `aud`. */
export const NEXTAUTH = { expToleranceMs: 15_000, originOptional: true } as const

const ENCRYPTIONS = ['A256GCM', 'A256CBC-HS512']

interface DerivedKey {
  readonly enc: string
  /** How Auth.js v5 says which secret it used. */
  readonly kid: string
  readonly key: KeyObject
}

/**
 * Session tokens as NextAuth v4 and Auth.js v5 encrypt them, of the given salts and no other. Whoever holds the app's secret
 * can make one, so opening it is proof.
 */
export function createNextAuthVerifier(
  secrets: readonly string[],
  salts: readonly string[],
  rules: ClaimRules,
): TokenVerifier {
  const keys = secrets.flatMap((secret) => salts.flatMap((salt) => derivedKeys(secret, salt)))
  return {
    accepts(token) {
      return isSessionToken(tokenHeader(token))
    },
    async verify(token) {
      const header = tokenHeader(token)
      if (!isSessionToken(header)) throw tokenRefused('form')
      let cause: unknown
      for (const { enc, kid, key } of keys) {
        if (enc !== header.enc || (header.kid !== undefined && header.kid !== kid)) continue
        let opened: CompactDecryptResult
        try {
          opened = await compactDecrypt(token, key, {
            keyManagementAlgorithms: ['dir'],
            contentEncryptionAlgorithms: [enc],
          })
        } catch (error) {
          cause = error
          continue
        }
        return checkClaims(jsonObjectOf(opened.plaintext), rules)
      }
      throw tokenRefused(cause ?? 'no such key')
    },
  }
}

function isSessionToken(header: TokenHeader | undefined): header is TokenHeader {
  return header?.parts === 5 && header.alg === 'dir' && ENCRYPTIONS.includes(header.enc ?? '')
}

/** Derived once: HKDF on every handshake would be paid by everybody. */
function derivedKeys(secret: string, salt: string): DerivedKey[] {
  if (salt === V4_SALT) return [derive(secret, salt, 'NextAuth.js Generated Encryption Key', 'A256GCM')]
  const info = `Auth.js Generated Encryption Key (${salt})`
  // The first betas of v5 used A256GCM.
  return [derive(secret, salt, info, 'A256CBC-HS512'), derive(secret, salt, info, 'A256GCM')]
}

function derive(secret: string, salt: string, info: string, enc: string): DerivedKey {
  const bytes = Buffer.from(hkdfSync('sha256', secret, salt, info, enc === 'A256GCM' ? 32 : 64))
  // RFC 7638, the thumbprint of an oct key; Auth.js hashes with as many bits as the key has.
  const thumbprint = JSON.stringify({ k: bytes.toString('base64url'), kty: 'oct' })
  const kid = createHash(`sha${bytes.length * 8}`)
    .update(thumbprint)
    .digest('base64url')
  return { enc, kid, key: createSecretKey(bytes) }
}
