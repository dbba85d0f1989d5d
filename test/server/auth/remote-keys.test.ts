import { afterEach, describe, expect, it } from 'vitest'
import { createJwksVerifier } from '../../../src/server/auth/jwks.ts'
import { createRemoteKeys, type RemoteKeysTiming } from '../../../src/server/auth/remote-keys.ts'
import { SIGNED } from '../../../src/server/auth/token-claims.ts'
import type { TokenVerifier } from '../../../src/server/auth/token-verifier.ts'
import { claims, encode, type JwksServer, keyPair, keyToken, publicJwk, startJwksServer } from './issuers.ts'

const [first, second] = [keyPair('P-256'), keyPair('P-256')]
const [firstJwk, secondJwk] = [await publicJwk(first, 'k1'), await publicJwk(second, 'k2')]
const firstToken = await keyToken(claims(), first.privateKey, { alg: 'ES256', kid: 'k1' })
const secondToken = await keyToken(claims(), second.privateKey, { alg: 'ES256', kid: 'k2' })

let server: JwksServer
afterEach(async () => {
  await server.stop()
})

async function start(timing?: Partial<RemoteKeysTiming>): Promise<TokenVerifier> {
  server = await startJwksServer(firstJwk)
  return createJwksVerifier(createRemoteKeys(server.url, timing), SIGNED)
}

let kids = 0
function tokenOfUnknownKid(): string {
  const signature = Buffer.alloc(64, 1).toString('base64url')
  return `${encode({ alg: 'ES256', kid: `unknown-${kids++}` })}.${encode(claims())}.${signature}`
}

async function outcome(verified: Promise<unknown>): Promise<string> {
  return await verified.then(
    () => 'verified',
    (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
  )
}

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work
  return performance.now() - started
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const REFUSED = 'unauthenticated: Authentication failed'

describe('A7: the keys of an issuer', () => {
  it('are fetched once for 100 who come first at the same time, and once for all', async () => {
    const verifier = await start()
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(verifier.verify(firstToken))))
    expect(new Set(outcomes)).toEqual(new Set(['verified']))
    await verifier.verify(firstToken)
    expect(server.fetches).toBe(1)
  })

  it('are not fetched for a token of another form', async () => {
    const verifier = await start()
    expect(await outcome(verifier.verify('a.b.c'))).toBe(REFUSED)
    expect(server.fetches).toBe(0)
  })

  it('are fetched at most twice for 10,000 tokens with random kids', { timeout: 30_000 }, async () => {
    const verifier = await start()
    await verifier.verify(firstToken)
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.all(
        Array.from({ length: 500 }, () => outcome(verifier.verify(tokenOfUnknownKid()))),
      )
      expect(new Set(outcomes)).toEqual(new Set([REFUSED]))
    }
    expect(server.fetches).toBe(2)
    expect(await outcome(verifier.verify(firstToken))).toBe('verified')
  })

  it('are fetched at most twice while the issuer fails', async () => {
    const verifier = await start({ pauseMs: 1 })
    server.answer('error')
    for (let i = 0; i < 200; i++) {
      expect(await outcome(verifier.verify(firstToken))).toMatch(/^unavailable: /)
      if (i % 50 === 0) await wait(5)
    }
    expect(server.fetches).toBe(2)
  })

  it('are asked for again after a pause when the first fetch failed', async () => {
    const verifier = await start({ pauseMs: 100 })
    server.answer('error')
    expect(await outcome(verifier.verify(firstToken))).toMatch(/^unavailable: /)
    server.answer({ keys: [firstJwk] })
    expect(await outcome(verifier.verify(firstToken))).toMatch(/^unavailable: /)
    expect(server.fetches).toBe(1)
    await wait(120)
    expect(await outcome(verifier.verify(firstToken))).toBe('verified')
  })

  it('are fetched anew for a new kid: once for 100 at the same time', async () => {
    const verifier = await start()
    await verifier.verify(firstToken)
    server.answer({ keys: [firstJwk, secondJwk] })
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcome(verifier.verify(secondToken))))
    expect(new Set(outcomes)).toEqual(new Set(['verified']))
    expect(server.fetches).toBe(2)
  })

  it('rotation: a key taken away is not believed any more', async () => {
    const verifier = await start()
    await verifier.verify(firstToken)
    server.answer({ keys: [secondJwk] })
    expect(await outcome(verifier.verify(secondToken))).toBe('verified')
    expect(await outcome(verifier.verify(firstToken))).toBe(REFUSED)
  })

  it('may be fetched again when the cooldown is over', async () => {
    const verifier = await start({ cooldownMs: 200 })
    await verifier.verify(firstToken)
    await outcome(verifier.verify(tokenOfUnknownKid()))
    server.answer({ keys: [secondJwk] })
    expect(await outcome(verifier.verify(secondToken))).toBe(REFUSED)
    await wait(220)
    expect(await outcome(verifier.verify(secondToken))).toBe('verified')
    expect(server.fetches).toBe(3)
  })

  it('that somebody else fetched meanwhile are used without asking again', async () => {
    server = await startJwksServer(firstJwk)
    const remote = createRemoteKeys(server.url)
    const old = await remote.known()
    server.answer({ keys: [firstJwk, secondJwk] })
    const newer = await remote.newer(old)
    expect(newer).not.toBe(old)
    expect(await remote.newer(old)).toBe(newer)
    expect(server.fetches).toBe(2)
  })

  it('that are known verify at once while the issuer hangs', async () => {
    const verifier = await start({ timeoutMs: 3000, maxAgeMs: 0 })
    await verifier.verify(firstToken)
    server.answer('hang')
    const unknown = outcome(verifier.verify(tokenOfUnknownKid()))
    const times = await Promise.all(Array.from({ length: 50 }, () => elapsedMs(verifier.verify(firstToken))))
    expect(Math.max(...times)).toBeLessThan(1000)
    expect(await elapsedMs(unknown)).toBeGreaterThan(1000)
    expect(await unknown).toBe(REFUSED)
  })

  it('that were never had while the issuer hangs: unavailable, after the timeout', async () => {
    const verifier = await start({ timeoutMs: 200 })
    server.answer('hang')
    const verified = outcome(verifier.verify(firstToken))
    expect(await elapsedMs(verified)).toBeLessThan(1500)
    expect(await verified).toMatch(/^unavailable: /)
  })

  it('that are old are still used while the issuer is away', async () => {
    const verifier = await start({ maxAgeMs: 0, cooldownMs: 0, pauseMs: 0 })
    await verifier.verify(firstToken)
    await server.stop()
    for (let i = 0; i < 5; i++) {
      expect(await outcome(verifier.verify(firstToken))).toBe('verified')
      await wait(20)
    }
    expect(await outcome(verifier.verify(secondToken))).toBe(REFUSED)
  })

  it('that are old are fetched again in the background', async () => {
    const verifier = await start({ maxAgeMs: 0 })
    await verifier.verify(firstToken)
    server.answer({ keys: [secondJwk] })
    expect(await outcome(verifier.verify(firstToken))).toBe('verified')
    await expect.poll(() => outcome(verifier.verify(firstToken))).toBe(REFUSED)
    expect(server.fetches).toBe(2)
  })

  it.each([
    ['an empty set', { keys: [] }],
    ['no set', { keys: 'none' as unknown as [] }],
    ['a set of more than half a MiB', { keys: [firstJwk, secondJwk, ...Array.from({ length: 6000 }, () => firstJwk)] }],
    ['a redirect', 'redirect' as const],
    ['an error', 'error' as const],
  ])('stay the last good ones when the issuer answers with %s', async (_name, answer) => {
    const verifier = await start()
    await verifier.verify(firstToken)
    server.answer(answer)
    expect(await outcome(verifier.verify(secondToken))).toBe(REFUSED)
    expect(server.fetches).toBe(2)
    expect(await outcome(verifier.verify(firstToken))).toBe('verified')
  })

  it('ERR2: unavailable tells no address, in message or cause', async () => {
    const verifier = await start()
    await server.stop()
    const error: unknown = await verifier.verify(firstToken).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'unavailable' })
    const { message, cause } = error as Error
    expect(`${message} ${String(cause)}`).not.toMatch(/127\.0\.0\.1|http|:\d/)
  })
})

describe('the token chooses among the keys', () => {
  it('without a kid any key that fits may verify it', async () => {
    const verifier = await start()
    server.answer({ keys: [firstJwk, secondJwk] })
    expect(await outcome(verifier.verify(await keyToken(claims(), second.privateKey, { alg: 'ES256' })))).toBe(
      'verified',
    )
    const stranger = await keyToken(claims(), keyPair('P-256').privateKey, { alg: 'ES256' })
    expect(await outcome(verifier.verify(stranger))).toBe(REFUSED)
  })

  it('A5: never a secret key, a private one, one of another use, or one that cannot be read', async () => {
    const verifier = await start()
    const secret = Buffer.alloc(32, 7)
    server.answer({
      keys: [
        firstJwk,
        { kty: 'oct', kid: 'oct', k: secret.toString('base64url'), alg: 'HS256' },
        { ...second.privateKey.export({ format: 'jwk' }), kid: 'private' },
        { ...secondJwk, kid: 'enc', use: 'enc' },
        { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'broken' },
        { ...secondJwk, kid: 'other', alg: 'ES384' },
      ],
    })
    for (const kid of ['private', 'enc', 'broken', 'other']) {
      const token = await keyToken(claims(), second.privateKey, { alg: 'ES256', kid })
      expect(await outcome(verifier.verify(token)), kid).toBe(REFUSED)
    }
    expect(await outcome(verifier.verify(firstToken))).toBe('verified')
  })

  it.each(['RS256', 'PS384', 'EdDSA', 'Ed25519'])('verifies %s', async (alg) => {
    const verifier = await start()
    const pair = keyPair(alg.startsWith('Ed') ? 'ed25519' : 'rsa')
    server.answer({ keys: [await publicJwk(pair, 'k')] })
    expect(await outcome(verifier.verify(await keyToken(claims(), pair.privateKey, { alg, kid: 'k' })))).toBe(
      'verified',
    )
  })
})

describe('the address of a key set', () => {
  it.each(['https://issuer.example/jwks', 'http://localhost:3000/jwks', 'http://127.0.0.1/jwks', 'http://[::1]/jwks'])(
    '%s will do',
    (address) => {
      expect(() => createRemoteKeys(address)).not.toThrow()
    },
  )

  it.each([
    '',
    'issuer.example/jwks',
    'http://issuer.example/jwks',
    'http://localhost.evil.example/jwks',
    'http://127.0.0.1.evil.example/jwks',
    'http://10.0.0.1/jwks',
    'file:///etc/jwks.json',
    'data:application/json,{"keys":[]}',
    'https://user:password@issuer.example/jwks',
  ])('%j is refused', (address) => {
    expect(() => createRemoteKeys(address)).toThrow('Expected the')
  })
})
