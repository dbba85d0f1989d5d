import { sign } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import { afterAll, describe, expect, it } from 'vitest'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import {
  claims,
  encode,
  hmacToken,
  type Json,
  keyPair,
  keyToken,
  publicJwk,
  SECRET,
  sessionToken,
  startJwksServer,
} from './issuers.ts'

const pem = keyPair('rsa')
const published = keyPair('P-256')
const attacker = keyPair('rsa')
const attackerEc = keyPair('P-256')
const issuer = await startJwksServer(await publicJwk(published, 'k1'))
const attackersServer = await startJwksServer(await publicJwk(attacker, 'evil'), await publicJwk(attackerEc, 'evil-ec'))
afterAll(async () => {
  await issuer.stop()
  await attackersServer.stop()
})

// Everything is on, so that every confusion is possible.
const authenticator = createAuthenticator({
  secrets: [SECRET],
  publicKey: pem.pem,
  jwksUrl: issuer.url,
  nextAuth: true,
})

const admin = () => claims({ sub: 'admin' })
const hs = () => hmacToken(admin(), SECRET)
const rs = () => keyToken(admin(), pem.privateKey, { alg: 'RS256' })
const es = () => keyToken(admin(), published.privateKey, { alg: 'ES256', kid: 'k1' })
const signatureOf = (token: string) => token.slice(token.lastIndexOf('.') + 1)
const unsigned = (header: Json, signature = '') => `${encode(header)}.${encode(admin())}.${signature}`

const der = pem.publicKey.export({ type: 'spki', format: 'der' })
const pkcs1 = pem.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString()
const attackerJwk = await publicJwk(attacker, 'evil')

async function encryptedTo(key: Uint8Array | typeof pem.publicKey, header: { alg: string; enc: string }) {
  return await new CompactEncrypt(Buffer.from(JSON.stringify(admin()))).setProtectedHeader(header).encrypt(key)
}

/** The same 32 bytes spelled differently: the last character of 43 has two bits that mean nothing. */
function respelled(token: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + letters[letters.indexOf(token.at(-1) ?? '') + 1]
}

const FORGED: [string, () => string | Promise<string>][] = [
  ['alg none', () => unsigned({ alg: 'none', typ: 'JWT' })],
  ['alg None', () => unsigned({ alg: 'None' })],
  ['alg nOnE', () => unsigned({ alg: 'nOnE' })],
  ['alg NONE with a good signature of another header', () => unsigned({ alg: 'NONE' }, signatureOf(hs()))],
  ['no alg', () => hmacToken(admin(), SECRET, { alg: undefined })],
  ['empty alg', () => hmacToken(admin(), SECRET, { alg: '' })],
  ['alg in a list', () => hmacToken(admin(), SECRET, { alg: ['HS256'] })],
  ['alg in lower case', () => hmacToken(admin(), SECRET, { alg: 'hs256' })],
  ['alg HS1', () => hmacToken(admin(), SECRET, { alg: 'HS1' }, 'sha1')],
  ['HS256 with the PEM public key as secret', () => hmacToken(admin(), pem.pem)],
  ['HS256 with the PEM public key, trimmed', () => hmacToken(admin(), pem.pem.trim())],
  ['HS512 with the PEM public key', () => hmacToken(admin(), pem.pem, { alg: 'HS512' }, 'sha512')],
  ['HS256 with the PKCS#1 PEM', () => hmacToken(admin(), pkcs1)],
  ['HS256 with the DER public key', () => hmacToken(admin(), der)],
  [
    'HS256 with the published key as JSON',
    async () => hmacToken(admin(), JSON.stringify(await publicJwk(published, 'k1')), { kid: 'k1' }),
  ],
  ['HS256 with an empty secret', () => hmacToken(admin(), '')],
  ['HS256 with a guessed secret', () => hmacToken(admin(), 'secret')],
  ['an HS256 signature under HS512', () => hmacToken(admin(), SECRET, { alg: 'HS512' })],
  ['an empty signature', () => unsigned({ alg: 'HS256' })],
  ['no signature part', () => hs().split('.').slice(0, 2).join('.')],
  ['a fourth part', () => `${hs()}.${signatureOf(hs())}`],
  [
    'the signature of other claims',
    () => unsigned({ alg: 'HS256', typ: 'JWT' }, signatureOf(hmacToken(claims(), SECRET))),
  ],
  ['half a signature', () => hs().slice(0, -20)],
  ['a signature spelled otherwise', () => respelled(hs())],
  ['a signature with padding', () => `${hs()}=`],
  ['a header that is no JSON', () => `${encode('{"alg":"HS256"')}.${encode(admin())}.${signatureOf(hs())}`],
  ['kid ../ to an empty file', () => hmacToken(admin(), '', { kid: '../../../../../../dev/null' })],
  ['kid with SQL', () => hmacToken(admin(), 'x', { kid: "k1' UNION SELECT 'x' -- " })],
  ['kid __proto__', () => keyToken(admin(), attackerEc.privateKey, { alg: 'ES256', kid: '__proto__' })],
  [
    'jku of the attacker',
    () => keyToken(admin(), attacker.privateKey, { alg: 'RS256', kid: 'evil', jku: attackersServer.url }),
  ],
  [
    'x5u of the attacker',
    () => keyToken(admin(), attackerEc.privateKey, { alg: 'ES256', kid: 'evil-ec', x5u: attackersServer.url }),
  ],
  ['jwk of the attacker', () => keyToken(admin(), attacker.privateKey, { alg: 'RS256', jwk: attackerJwk })],
  [
    'x5c of the attacker',
    () =>
      keyToken(admin(), attacker.privateKey, {
        alg: 'RS256',
        x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')],
      }),
  ],
  ['RS256 of another key', () => keyToken(admin(), attacker.privateKey, { alg: 'RS256' })],
  [
    'ES256 of another key under a known kid',
    () => keyToken(admin(), attackerEc.privateKey, { alg: 'ES256', kid: 'k1' }),
  ],
  ['ES256 of zeros', () => unsigned({ alg: 'ES256', kid: 'k1' }, Buffer.alloc(64).toString('base64url'))],
  [
    'ES256 with its signature in DER',
    () => {
      const input = `${encode({ alg: 'ES256', kid: 'k1' })}.${encode(admin())}`
      return `${input}.${sign('sha256', Buffer.from(input), published.privateKey).toString('base64url')}`
    },
  ],
  ['an RS256 signature under PS256', async () => unsigned({ alg: 'PS256' }, signatureOf(await rs()))],
  ['RS256 with the kid of an EC key', () => keyToken(admin(), attacker.privateKey, { alg: 'RS256', kid: 'k1' })],
  ['EdDSA of another key', () => keyToken(admin(), keyPair('ed25519').privateKey, { alg: 'EdDSA', kid: 'k1' })],
  ['b64 false with crit, signed with the secret', () => hmacToken(admin(), SECRET, { b64: false, crit: ['b64'] })],
  ['b64 false, signed with the secret', () => hmacToken(admin(), SECRET, { b64: false })],
  ['crit exp, signed with the secret', () => hmacToken(admin(), SECRET, { crit: ['exp'] })],
  ['empty crit, signed with the secret', () => hmacToken(admin(), SECRET, { crit: [] })],
  [
    'crit, signed with the private key',
    async () => {
      const input = `${encode({ alg: 'RS256', crit: ['x'], x: 1 })}.${encode(admin())}`
      return `${input}.${sign('sha256', Buffer.from(input), pem.privateKey).toString('base64url')}`
    },
  ],
  ['a kid that is no text, signed with the secret', () => hmacToken(admin(), SECRET, { kid: { $gt: '' } })],
  [
    'a session encrypted with the secret itself',
    () => encryptedTo(Buffer.from(SECRET.slice(0, 32)), { alg: 'dir', enc: 'A256GCM' }),
  ],
  ['a session encrypted to the public key', () => encryptedTo(pem.publicKey, { alg: 'RSA-OAEP-256', enc: 'A256GCM' })],
  [
    'a session encrypted with a password',
    async () => {
      const parts = (await sessionToken(admin(), SECRET)).split('.')
      return [
        encode({ alg: 'PBES2-HS256+A128KW', enc: 'A256GCM', p2c: 2_000_000_000, p2s: 'AAAA' }),
        ...parts.slice(1),
      ].join('.')
    },
  ],
  ['a session that unpacks to more', () => sessionToken(admin(), SECRET, '', { zip: 'DEF' })],
  ['a session of an unknown salt', () => sessionToken(admin(), SECRET, 'evil.session-token')],
  ['a session with another kid', () => sessionToken(admin(), SECRET, 'authjs.session-token', { kid: 'evil' })],
]

describe('A5: forged tokens', () => {
  it.each([
    ['HS256', hs],
    ['RS256', rs],
    ['ES256', es],
    ['session', () => sessionToken(admin(), SECRET)],
  ])('the real one is accepted: %s', async (_name, make) => {
    expect((await authenticator.authenticate({ token: await make() })).identity.id).toBe('admin')
  })

  it.each(FORGED)('%s is refused', async (_name, make) => {
    const token = await make()
    const error: unknown = await authenticator.authenticate({ token }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'ConveneError', code: 'unauthenticated', message: 'Authentication failed' })
    const logged = `${(error as Error).message} ${String((error as Error).cause)}`
    for (const part of token.split('.').filter((text) => text.length > 8)) expect(logged).not.toContain(part)
  })

  it('A7: a session of a crafted header costs no password hashing', async () => {
    const started = performance.now()
    const [, make] = FORGED.find(([name]) => name.endsWith('with a password')) ?? []
    await authenticator.authenticate({ token: (await make?.()) ?? '' }).catch(() => undefined)
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('A7: no address in a token was ever asked', () => {
    expect(attackersServer.fetches).toBe(0)
    expect(issuer.fetches).toBeLessThanOrEqual(2)
  })
})
