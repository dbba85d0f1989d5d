import jsonwebtoken from 'jsonwebtoken'
import { afterAll, describe, expect, it } from 'vitest'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import {
  claims,
  hmacToken,
  keyPair,
  keyToken,
  nowSeconds,
  OTHER_SECRET,
  publicJwk,
  SECRET,
  startJwksServer,
} from './issuers.ts'

const authenticator = createAuthenticator({ secrets: [SECRET], nextAuth: false })

async function refusal(token: unknown, by = authenticator): Promise<string> {
  return await by.authenticate({ token: token as string }).then(
    ({ identity }) => `accepted ${identity.id}`,
    (error: { code?: string; message: string }) => `${error.code}: ${error.message}`,
  )
}

describe('authenticate', () => {
  it('[CON3] tells who it is, until when, and what to revoke it by', async () => {
    const iat = nowSeconds() - 10
    const exp = iat + 600
    const token = hmacToken({ sub: 'ada', name: 'Ada', role: 'admin', jti: 'j1', iat, exp }, SECRET)
    expect(await authenticator.authenticate({ token })).toEqual({
      identity: { id: 'ada', name: 'Ada', claims: { sub: 'ada', name: 'Ada', role: 'admin', jti: 'j1', iat, exp } },
      expiresAt: exp * 1000,
      tokenId: 'j1',
      issuedAt: iat * 1000,
    })
  })

  it('leaves out what the token does not say', async () => {
    const verified = await authenticator.authenticate({
      token: hmacToken({ sub: 'ada', exp: nowSeconds() + 9 }, SECRET),
    })
    expect(Object.keys(verified)).toEqual(['identity', 'expiresAt'])
  })

  it.each([
    ['nothing', undefined, 'unauthenticated: Authentication required'],
    ['an empty token', '', 'unauthenticated: Authentication required'],
    ['a bare id', 'ada', 'unauthenticated: Authentication failed'],
    ['what is malformed', 'a.b.c', 'unauthenticated: Authentication failed'],
    ['blanks', '  ', 'unauthenticated: Authentication failed'],
    ['null', null, 'unauthenticated: Authentication failed'],
    ['a number', 5, 'unauthenticated: Authentication failed'],
    ['an object', { toString: () => hmacToken(claims(), SECRET) }, 'unauthenticated: Authentication failed'],
    ['a list', [hmacToken(claims(), SECRET)], 'unauthenticated: Authentication failed'],
    ['a token of another secret', hmacToken(claims(), OTHER_SECRET), 'unauthenticated: Authentication failed'],
    ['an expired token', hmacToken(claims({ exp: nowSeconds() - 1 }), SECRET), 'token_expired: Authentication failed'],
    ['a token of nobody', hmacToken(claims({ sub: undefined }), SECRET), 'unauthenticated: Invalid token'],
  ])('[CON2] %s', async (_name, token, said) => {
    expect(await refusal(token)).toBe(said)
  })

  it('A16: a token of more than 16 KiB fails at once', async () => {
    const long = hmacToken(claims({ filler: 'x'.repeat(16_384) }), SECRET)
    expect(await refusal(long)).toBe('unauthenticated: Authentication failed')
    const started = performance.now()
    expect(await refusal('.'.repeat(50_000_000))).toBe('unauthenticated: Authentication failed')
    expect(performance.now() - started).toBeLessThan(500)
    const fits = hmacToken(claims({ filler: 'x'.repeat(11_900) }), SECRET)
    expect(fits.length).toBeGreaterThan(15_900)
    expect(await refusal(fits)).toBe('accepted ada')
  })

  it('nobody gets in when nobody is believed', async () => {
    const nobody = createAuthenticator({ secrets: [], nextAuth: true })
    expect(await refusal(hmacToken(claims(), ''), nobody)).toBe('unauthenticated: Authentication failed')
  })

  it('a shared secret costs less than jsonwebtoken takes for it as text (facts.md 0: 400 µs)', async () => {
    const token = hmacToken(claims(), SECRET)
    const [ours, asText]: [number[], number[]] = [[], []]
    for (let i = 0; i < 300; i++) {
      const started = performance.now()
      await authenticator.authenticate({ token })
      const between = performance.now()
      jsonwebtoken.verify(token, SECRET)
      ours.push(between - started)
      asText.push(performance.now() - between)
    }
    const median = (times: number[]) => times.toSorted((a, b) => a - b)[150] ?? 0
    expect(median(ours)).toBeLessThan(median(asText) / 2)
  })
})

describe('who judges a token is decided by its form', async () => {
  const pem = keyPair('rsa')
  const published = keyPair('rsa')
  const issuer = await startJwksServer(await publicJwk(published, 'k1'))
  afterAll(() => issuer.stop())
  const all = createAuthenticator({ secrets: [SECRET], publicKey: pem.pem, jwksUrl: issuer.url, nextAuth: true })

  it('HS* by the secrets, without asking for keys', async () => {
    expect(await refusal(hmacToken(claims(), SECRET), all)).toBe('accepted ada')
    expect(await refusal(hmacToken(claims(), OTHER_SECRET), all)).toBe('unauthenticated: Authentication failed')
    expect(issuer.fetches).toBe(0)
  })

  it('the rest by the public key, then by the key set', async () => {
    expect(await refusal(await keyToken(claims(), pem.privateKey, { alg: 'RS256' }), all)).toBe('accepted ada')
    expect(issuer.fetches).toBe(0)
    const token = await keyToken(claims(), published.privateKey, { alg: 'RS256', kid: 'k1' })
    expect(await refusal(token, all)).toBe('accepted ada')
    expect(issuer.fetches).toBe(1)
  })

  it('[CON2] says what the one who knew the token said', async () => {
    const expired = await keyToken(claims({ exp: 1 }), pem.privateKey, { alg: 'RS256', kid: 'k1' })
    expect(await refusal(expired, all)).toBe('token_expired: Authentication failed')
    const nobody = await keyToken(claims({ sub: '' }), pem.privateKey, { alg: 'RS256', kid: 'k1' })
    expect(await refusal(nobody, all)).toBe('unauthenticated: Invalid token')
  })

  it('a key set that is away: unavailable for its tokens, not for the others', async () => {
    const away = await startJwksServer()
    await away.stop()
    const some = createAuthenticator({ secrets: [SECRET], jwksUrl: away.url, nextAuth: false })
    const token = await keyToken(claims(), published.privateKey, { alg: 'RS256', kid: 'k1' })
    expect(await refusal(token, some)).toMatch(/^unavailable: /)
    expect(await refusal(hmacToken(claims(), SECRET), some)).toBe('accepted ada')
  })
})
