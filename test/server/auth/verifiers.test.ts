import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { createJwksVerifier } from '../../../src/server/auth/jwks.ts'
import { createNextAuthVerifier, NEXTAUTH, V4_SALT } from '../../../src/server/auth/nextauth.ts'
import { createPublicKeyVerifier } from '../../../src/server/auth/public-key.ts'
import { createRemoteKeys } from '../../../src/server/auth/remote-keys.ts'
import { createSignedTokenVerifier } from '../../../src/server/auth/signed-token.ts'
import { SIGNED } from '../../../src/server/auth/token-claims.ts'
import { tokenVerifierContract } from '../../contracts/token-verifier.ts'
import {
  claims,
  hmacToken,
  keyPair,
  keyToken,
  OTHER_SECRET,
  publicJwk,
  SECRET,
  sessionToken,
  startJwksServer,
} from './issuers.ts'

const rsa = keyPair('rsa')
const other = keyPair('rsa')
const stops: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const stop of stops) await stop()
})

const hs = hmacToken(claims(), SECRET)
const rs = await keyToken(claims(), rsa.privateKey, { alg: 'RS256', kid: 'k1' })
const session = await sessionToken(claims(), SECRET)
const signed = { expToleranceSeconds: 0, originOptional: false }

tokenVerifierContract('shared secret', async () => ({
  ...signed,
  create: (origin) => createSignedTokenVerifier([SECRET], { ...SIGNED, ...origin }),
  issue: async (payload, header) => hmacToken(payload, SECRET, header),
  forge: async (payload) => hmacToken(payload, OTHER_SECRET),
  foreignForms: [
    rs,
    session,
    hmacToken(claims(), SECRET, { alg: 'none' }),
    hmacToken(claims(), SECRET, { alg: 'hs256' }),
  ],
}))

for (const [alg, kind] of [
  ['RS256', 'rsa'],
  ['RS512', 'rsa'],
  ['PS256', 'rsa'],
  ['ES256', 'P-256'],
  ['ES384', 'P-384'],
  ['ES512', 'P-521'],
  ['EdDSA', 'ed25519'],
] as const) {
  tokenVerifierContract(`public key (${alg})`, async () => {
    const [pair, stranger] = [keyPair(kind), keyPair(kind)]
    return {
      ...signed,
      create: (origin) => createPublicKeyVerifier(pair.pem, { ...SIGNED, ...origin }),
      issue: async (payload, header) => await keyToken(payload, pair.privateKey, { ...header, alg }),
      forge: async (payload) => await keyToken(payload, stranger.privateKey, { alg }),
      foreignForms: [hs, session, kind === 'rsa' ? hs : rs],
    }
  })
}

tokenVerifierContract('key set', async () => {
  const server = await startJwksServer(await publicJwk(rsa, 'k1'), await publicJwk(keyPair('P-256'), 'k2'))
  stops.push(server.stop)
  return {
    ...signed,
    create: (origin) => createJwksVerifier(createRemoteKeys(server.url), { ...SIGNED, ...origin }),
    issue: async (payload, header) => await keyToken(payload, rsa.privateKey, { ...header, alg: 'RS256', kid: 'k1' }),
    forge: async (payload) => await keyToken(payload, other.privateKey, { alg: 'RS256', kid: 'k1' }),
    foreignForms: [hs, session],
  }
})

for (const [name, cookie, header] of [
  ['v4', '', {}],
  ['v5', 'authjs.session-token', {}],
  ['v5 beta', 'authjs.session-token', { enc: 'A256GCM' }],
] as const) {
  tokenVerifierContract(`NextAuth ${name} session`, async () => ({
    expToleranceSeconds: 15,
    originOptional: true,
    create: (origin) => createNextAuthVerifier([SECRET], [V4_SALT, 'authjs.session-token'], { ...NEXTAUTH, ...origin }),
    issue: async (payload, more) => await sessionToken(payload, SECRET, cookie, { ...more, ...header }),
    forge: async (payload) => await sessionToken(payload, OTHER_SECRET, cookie, header),
    foreignForms: [hs, rs],
  }))
}

describe('shared secrets', () => {
  it.each(['HS256', 'HS384', 'HS512'])('A5: verifies %s', async (alg) => {
    const token = hmacToken(claims(), SECRET, { alg }, `sha${alg.slice(2)}`)
    expect(await createSignedTokenVerifier([SECRET], SIGNED).verify(token)).toMatchObject({ sub: 'ada' })
  })

  it('rotation: verifies with any of several secrets, not with one taken away', async () => {
    const both = createSignedTokenVerifier([OTHER_SECRET, SECRET], SIGNED)
    expect(await both.verify(hs)).toMatchObject({ sub: 'ada' })
    expect(await both.verify(hmacToken(claims(), OTHER_SECRET))).toMatchObject({ sub: 'ada' })
    await expect(createSignedTokenVerifier([OTHER_SECRET], SIGNED).verify(hs)).rejects.toThrow('Authentication failed')
  })

  it('rotation: says token_expired of a token of the older secret', async () => {
    const both = createSignedTokenVerifier([OTHER_SECRET, SECRET], SIGNED)
    await expect(both.verify(hmacToken(claims({ exp: 1 }), SECRET))).rejects.toMatchObject({ code: 'token_expired' })
  })

  it('A5: refuses to start with an empty secret, or with a PEM key for one', () => {
    expect(() => createSignedTokenVerifier([''], SIGNED)).toThrow('empty')
    expect(() => createSignedTokenVerifier([rsa.pem], SIGNED)).toThrow('PEM')
  })
})

function pemOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

describe('public keys', () => {
  it('A5: the type of the key decides the algorithm', async () => {
    const p256 = keyPair('P-256')
    const verifier = createPublicKeyVerifier(rsa.pem, SIGNED)
    expect(verifier.accepts(await keyToken(claims(), p256.privateKey, { alg: 'ES256' }))).toBe(false)
    expect(verifier.accepts(hmacToken(claims(), rsa.pem))).toBe(false)
    const p384 = createPublicKeyVerifier(keyPair('P-384').pem, SIGNED)
    expect(p384.accepts(await keyToken(claims(), p256.privateKey, { alg: 'ES256' }))).toBe(false)
  })

  it('refuses to start with a private key, a weak one, another curve, or no key', () => {
    const privatePem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    expect(() => createPublicKeyVerifier(privatePem, SIGNED)).toThrow('private key')
    const weak = pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)
    const koblitz = pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)
    expect(() => createPublicKeyVerifier(weak, SIGNED)).toThrow('2048 bits or more, got 1024')
    expect(() => createPublicKeyVerifier(koblitz, SIGNED)).toThrow('got secp256k1')
    expect(() => createPublicKeyVerifier('secret', SIGNED)).toThrow('Expected a PEM public key')
  })
})
