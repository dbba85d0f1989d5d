import { encode } from '@auth/core/jwt'
import { describe, expect, it } from 'vitest'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import { SESSION_COOKIES, sessionCookies } from '../../../src/server/auth/session-cookie.ts'
import { claims, hmacToken, OTHER_SECRET, SECRET, sessionToken } from './issuers.ts'
import v4 from './nextauth-v4.fixture.json' with { type: 'json' }

const V5_COOKIES = ['authjs.session-token', '__Secure-authjs.session-token'] as const
const V4_COOKIES = ['next-auth.session-token', '__Secure-next-auth.session-token'] as const

const authenticator = createAuthenticator({ secrets: [SECRET, v4.secret], nextAuth: true })

/** A session as Auth.js v5 itself makes it. */
async function v5(salt: string, { sub = 'grace', secret = SECRET, maxAge = 600, more = {} } = {}): Promise<string> {
  return await encode({ token: { sub, name: 'Grace Hopper', ...more }, secret, salt, maxAge })
}

async function idOf(credentials: { token?: string; cookie?: string }, by = authenticator): Promise<string> {
  return await by.authenticate(credentials).then(
    ({ identity }) => identity.id,
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}

const REFUSED = 'unauthenticated: Authentication failed'

describe('A9: NextAuth v4, made by the real library', () => {
  it('is accepted as token, with who it is', async () => {
    const { identity, expiresAt, tokenId, issuedAt } = await authenticator.authenticate({ token: v4.valid })
    expect(identity).toMatchObject({
      id: 'ada',
      name: v4.person.name,
      image: v4.person.picture,
      email: v4.person.email,
    })
    expect(expiresAt).toBeGreaterThan(Date.now())
    expect(tokenId).toMatch(/^[\da-f-]{36}$/)
    expect(issuedAt).toBeLessThan(Date.now())
  })

  it.each(V4_COOKIES)('is accepted in the cookie %s', async (name) => {
    expect(await idOf({ cookie: `theme=dark; ${name}=${v4.valid}; other=1` })).toBe('ada')
  })

  it('[CON3] with id for sub is accepted, with neither it is an Invalid token', async () => {
    expect(await idOf({ token: v4.idOnly })).toBe('grace')
    expect(await idOf({ token: v4.anonymous })).toBe('unauthenticated: Invalid token')
  })

  it('expired is token_expired, of another secret is refused', async () => {
    expect(await idOf({ token: v4.expired })).toBe('token_expired: Authentication failed')
    expect(await idOf({ cookie: `next-auth.session-token=${v4.expired}` })).toBe('token_expired: Authentication failed')
    expect(await idOf({ token: v4.otherSecret })).toBe(REFUSED)
  })

  it.each(V5_COOKIES)('is refused in the cookie %s', async (name) => {
    expect(await idOf({ cookie: `${name}=${v4.valid}` })).toBe(REFUSED)
  })
})

describe('A9: Auth.js v5, made by the real library', () => {
  it.each(V5_COOKIES)('of %s is accepted as token and in that cookie', async (name) => {
    const token = await v5(name)
    expect(await idOf({ token })).toBe('grace')
    expect(await idOf({ cookie: `${name}=${token}` })).toBe('grace')
  })

  it.each(SESSION_COOKIES)('in the cookie %s is accepted with its own salt only', async (name) => {
    for (const salt of SESSION_COOKIES) {
      expect(await idOf({ cookie: `${name}=${await v5(salt)}` }), salt).toBe(salt === name ? 'grace' : REFUSED)
    }
  })

  it('of an unknown salt is refused as token', async () => {
    expect(await idOf({ token: await v5('other.session-token') })).toBe(REFUSED)
  })

  it('is good for 15 s more, and no longer', async () => {
    const salt = 'authjs.session-token'
    expect(await idOf({ token: await v5(salt, { maxAge: -10 }) })).toBe('grace')
    expect(await idOf({ token: await v5(salt, { maxAge: -20 }) })).toBe('token_expired: Authentication failed')
  })

  it('of another secret is refused; rotation: of any in the list it is accepted', async () => {
    const token = await v5('authjs.session-token', { secret: OTHER_SECRET })
    expect(await idOf({ token })).toBe(REFUSED)
    const rotating = createAuthenticator({ secrets: [SECRET, OTHER_SECRET], nextAuth: true })
    expect(await idOf({ token }, rotating)).toBe('grace')
  })

  it('is accepted when an issuer and audience are wanted of signed tokens, unless it names others', async () => {
    const strict = createAuthenticator({
      secrets: [SECRET],
      nextAuth: true,
      issuer: 'https://i.example',
      audience: 'a',
    })
    expect(await idOf({ token: await v5('authjs.session-token') }, strict)).toBe('grace')
    expect(await idOf({ token: await v5('authjs.session-token', { more: { aud: 'b' } }) }, strict)).toBe(REFUSED)
  })

  it('of an early beta is accepted', async () => {
    const name = 'authjs.session-token'
    expect(await idOf({ cookie: `${name}=${await sessionToken(claims(), SECRET, name, { enc: 'A256GCM' })}` })).toBe(
      'ada',
    )
  })

  it('is refused when NextAuth is off, and its cookie is not looked at (A3)', async () => {
    const off = createAuthenticator({ secrets: [SECRET], nextAuth: false })
    const token = await v5('authjs.session-token')
    expect(await idOf({ token }, off)).toBe(REFUSED)
    const cookie = `authjs.session-token=${token}`
    expect(await idOf({ cookie }, off)).toBe('unauthenticated: Authentication required')
  })
})

describe('the session cookie', () => {
  it('may come in pieces, joined in the order of their numbers', async () => {
    const token = await v5('authjs.session-token', { more: { filler: 'x'.repeat(3000) } })
    const size = Math.ceil(token.length / 12)
    const pieces = Array.from(
      { length: 12 },
      (_, i) => `authjs.session-token.${i}=${token.slice(i * size, (i + 1) * size)}`,
    )
    // As text, .10 and .11 would come before .2.
    expect(await idOf({ cookie: pieces.toSorted().join('; ') })).toBe('grace')
    expect(await idOf({ cookie: pieces.toReversed().join('; ') })).toBe('grace')
    expect(await idOf({ cookie: pieces.toSpliced(5, 1).join('; ') })).toBe(REFUSED)
  })

  it('whole and in pieces are two sessions', () => {
    expect(
      sessionCookies('authjs.session-token=whole; authjs.session-token.0=pie; authjs.session-token.1=ces'),
    ).toEqual([
      { name: 'authjs.session-token', token: 'whole' },
      { name: 'authjs.session-token', token: 'pieces' },
    ])
  })

  it.each([
    '',
    ';',
    'a=b',
    'authjs.session-token=',
    'authjs.session-token.1=x',
    '__proto__=x',
    'xauthjs.session-token=x',
  ])('%j holds none', async (cookie) => {
    expect(sessionCookies(cookie)).toEqual([])
    expect(await idOf({ cookie })).toBe('unauthenticated: Authentication required')
  })

  it('of another app on the same host does not hide ours', async () => {
    const theirs = await v5('authjs.session-token', { secret: OTHER_SECRET })
    expect(await idOf({ cookie: `authjs.session-token=${theirs}; next-auth.session-token=${v4.valid}` })).toBe('ada')
  })

  it('with __Secure- wins over one that a page without https can plant', async () => {
    const planted = await v5('authjs.session-token', { sub: 'mallory' })
    const real = await v5('__Secure-authjs.session-token')
    const cookie = `authjs.session-token=${planted}; __Secure-authjs.session-token=${real}`
    expect(await idOf({ cookie })).toBe('grace')
  })

  it('may hold a signed token, when the app has NextAuth sign', async () => {
    expect(await idOf({ cookie: `next-auth.session-token=${hmacToken(claims(), SECRET)}` })).toBe('ada')
    expect(await idOf({ cookie: `next-auth.session-token=${hmacToken(claims(), OTHER_SECRET)}` })).toBe(REFUSED)
  })

  it('of a database session (no token) is refused', async () => {
    expect(await idOf({ cookie: 'next-auth.session-token=0b7a9c7e-1b5c-4f57-a2c5-2b7a9c7e1b5c' })).toBe(REFUSED)
  })
})

describe('a token and a cookie (dialects.md 2.1)', () => {
  const cookie = `next-auth.session-token=${v4.valid}`

  it('a token decides, whatever the cookie says', async () => {
    expect(await idOf({ token: await v5('authjs.session-token'), cookie })).toBe('grace')
    expect(await idOf({ token: hmacToken(claims(), OTHER_SECRET), cookie })).toBe(REFUSED)
    expect(await idOf({ token: v4.expired, cookie })).toBe('token_expired: Authentication failed')
  })

  it('an empty token leaves it to the cookie', async () => {
    expect(await idOf({ token: '', cookie })).toBe('ada')
  })

  it("a bare id has to be the cookie's", async () => {
    expect(await idOf({ token: 'ada', cookie })).toBe('ada')
    for (const token of ['grace', 'ADA', 'ada ', 'undefined'])
      expect(await idOf({ token, cookie }), token).toBe(REFUSED)
  })

  it('a bare id with dots too', async () => {
    const email = `next-auth.session-token=${hmacToken(claims({ sub: 'ada@mail.example.org' }), SECRET)}`
    expect(await idOf({ token: 'ada@mail.example.org', cookie: email })).toBe('ada@mail.example.org')
    expect(await idOf({ token: 'ada@mail.example.com', cookie: email })).toBe(REFUSED)
  })

  it('a bare id proves nothing by itself, or beside a bad cookie', async () => {
    expect(await idOf({ token: 'ada' })).toBe(REFUSED)
    expect(await idOf({ token: 'ada', cookie: 'theme=dark' })).toBe(REFUSED)
    expect(await idOf({ token: 'ada', cookie: `next-auth.session-token=${v4.otherSecret}` })).toBe(REFUSED)
    const off = createAuthenticator({ secrets: [v4.secret], nextAuth: false })
    expect(await idOf({ token: 'ada', cookie }, off)).toBe(REFUSED)
  })
})
