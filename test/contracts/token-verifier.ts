import { describe, expect, it } from 'vitest'
import { ConveneError } from '../../src/protocol/errors.ts'
import type { TokenVerifier } from '../../src/server/auth/token-verifier.ts'

/** What the suite needs to know of one kind of token. */
export interface TokenVerifierKit {
  /** A verifier that wants these, as its kind is set up in production. */
  create(origin: { issuer?: string; audience?: string }): TokenVerifier
  /** A token of its issuer; a string is the payload as it is. */
  issue(payload: Record<string, unknown> | string, header?: Record<string, unknown>): Promise<string>
  /** The same of somebody else. */
  forge(payload: Record<string, unknown>): Promise<string>
  /** Tokens of another form. */
  readonly foreignForms: readonly string[]
  readonly expToleranceSeconds: number
  /** Whether a token without `iss` and `aud` passes where they are wanted. */
  readonly originOptional: boolean
}

/** What every kind of token verification promises. */
export function tokenVerifierContract(name: string, setup: () => Promise<TokenVerifierKit>): void {
  describe(`a ${name} verifier`, async () => {
    const kit = await setup()
    const verifier = kit.create({})
    const now = () => Math.floor(Date.now() / 1000)
    const good = (more: Record<string, unknown> = {}) => ({ sub: 'ada', iat: now(), exp: now() + 600, ...more })

    async function refusal(token: string, by = verifier): Promise<ConveneError> {
      const error: unknown = await by.verify(token).then(
        (claims) => expect.unreachable(`accepted ${JSON.stringify(claims)}`),
        (reason: unknown) => reason,
      )
      if (!(error instanceof ConveneError)) throw error
      expect(error.message).toBe('Authentication failed')
      return error
    }

    it('accepts what its issuer made, and tells all claims', async () => {
      const payload = good({ role: 'admin', projects: ['p1'], jti: 'j1', nbf: now() })
      const token = await kit.issue(payload)
      expect(verifier.accepts(token)).toBe(true)
      expect(await verifier.verify(token)).toEqual(payload)
    })

    it('A5: refuses what somebody else made', async () => {
      expect((await refusal(await kit.forge(good()))).code).toBe('unauthenticated')
    })

    it('A5: refuses a token with any part changed', async () => {
      const parts = (await kit.issue(good())).split('.')
      for (const [at, part] of parts.entries()) {
        if (part === '') continue
        const changed = parts.with(at, `${part.startsWith('A') ? 'B' : 'A'}${part.slice(1)}`)
        expect((await refusal(changed.join('.'))).code).toBe('unauthenticated')
      }
    })

    it('does not accept tokens of other forms, and refuses them when asked all the same', async () => {
      for (const token of kit.foreignForms) {
        expect(verifier.accepts(token), token).toBe(false)
        expect((await refusal(token)).code).toBe('unauthenticated')
      }
    })

    it('does not accept what is no token', async () => {
      const token = await kit.issue(good())
      for (const text of [
        '',
        '.',
        '..',
        '....',
        'a.b.c',
        'a.b.c.d.e',
        'null',
        ` ${token}`,
        `${token}.`,
        `${token}\n`,
      ]) {
        expect(verifier.accepts(text), text).toBe(false)
      }
    })

    it('does not accept a token of more than 16 KiB', async () => {
      const token = await kit.issue(good({ filler: 'x'.repeat(16_384) }))
      expect(verifier.accepts(token)).toBe(false)
      expect((await refusal(token)).code).toBe('unauthenticated')
    })

    it.each(['secevent+jwt', 'JWE', 'dpop+jwt', '', 7, null])('A6: refuses typ %j', async (typ) => {
      expect(verifier.accepts(await kit.issue(good(), { typ }))).toBe(false)
    })

    it.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT'])('A6: accepts typ %j', async (typ) => {
      expect(await verifier.verify(await kit.issue(good(), { typ }))).toMatchObject({ sub: 'ada' })
    })

    it.each([
      ['missing', undefined],
      ['null', null],
      ['text', String(9_999_999_999)],
      ['fractional', 9_999_999_999.5],
      ['zero', 0],
      ['negative', -1],
      ['in ms', 9_999_999_999_000],
      ['huge', Number.MAX_SAFE_INTEGER],
      ['beyond every whole number', 1e300],
      ['a list', [9_999_999_999]],
      ['an object', {}],
      ['true', true],
    ])('A6: refuses an exp that is %s', async (_name, exp) => {
      expect((await refusal(await kit.issue(good({ exp })))).code).toBe('unauthenticated')
    })

    it('A6: refuses an exp without end', async () => {
      expect((await refusal(await kit.issue('{"sub":"ada","exp":1e999}'))).code).toBe('unauthenticated')
    })

    it('A6: refuses a payload that is no object', async () => {
      for (const payload of ['[]', 'null', '"ada"', '5', '{', '', '{"sub":"ada","exp":9999999999}}']) {
        expect((await refusal(await kit.issue(payload))).code, payload).toBe('unauthenticated')
      }
    })

    it('[CON2] A6: says token_expired of what was good once', async () => {
      const past = kit.expToleranceSeconds + 1
      expect((await refusal(await kit.issue(good({ iat: now() - 900, exp: now() - past })))).code).toBe('token_expired')
      expect((await refusal(await kit.issue(good({ iat: now() - 900, exp: now() - 60 })))).code).toBe('token_expired')
    })

    it('A6: tolerates as much delay as its kind allows', async () => {
      const exp = now() - kit.expToleranceSeconds + 5
      expect(await verifier.verify(await kit.issue(good({ exp })))).toMatchObject({ exp })
    })

    it('does not say token_expired of a forged token', async () => {
      expect((await refusal(await kit.forge(good({ exp: now() - 60 })))).code).toBe('unauthenticated')
    })

    describe.each(['nbf', 'iat'])('A6: %s', (claim) => {
      it.each([60, 3600, 1e12])('%d s ahead is refused', async (ahead) => {
        expect((await refusal(await kit.issue(good({ [claim]: now() + ahead })))).code).toBe('unauthenticated')
      })
      it.each([-3600, 0, 10])('%d s ahead is accepted', async (ahead) => {
        expect(await verifier.verify(await kit.issue(good({ [claim]: now() + ahead })))).toMatchObject({ sub: 'ada' })
      })
      it.each(['1', null, -1, [1], true])('%j is refused', async (value) => {
        expect((await refusal(await kit.issue(good({ [claim]: value })))).code).toBe('unauthenticated')
      })
    })

    it.each([
      ['iss', { issuer: 'https://issuer.example' }, 'https://issuer.example'],
      ['aud', { audience: 'convene' }, 'convene'],
    ])('A6: %s is checked when it is set', async (claim, origin, right) => {
      const strict = kit.create(origin)
      expect(await strict.verify(await kit.issue(good({ [claim]: right })))).toMatchObject({ [claim]: right })
      for (const wrong of [`${right}/`, right.toUpperCase(), `${right}.evil.example`, '', null, 5, {}, [], ['other']]) {
        // An empty list names nobody, like a claim left out.
        if (kit.originOptional && claim === 'aud' && Array.isArray(wrong) && wrong.length === 0) continue
        const token = await kit.issue(good({ [claim]: wrong }))
        expect((await refusal(token, strict)).code, JSON.stringify(wrong)).toBe('unauthenticated')
      }
      const without = await kit.issue(good())
      if (kit.originOptional) expect(await strict.verify(without)).toMatchObject({ sub: 'ada' })
      else expect((await refusal(without, strict)).code).toBe('unauthenticated')
    })

    it('A6: one audience of several is enough, one issuer of several is not', async () => {
      const aud = ['other', 'convene']
      expect(await kit.create({ audience: 'convene' }).verify(await kit.issue(good({ aud })))).toMatchObject({ aud })
      const listed = await kit.issue(good({ iss: ['https://issuer.example'] }))
      expect((await refusal(listed, kit.create({ issuer: 'https://issuer.example' }))).code).toBe('unauthenticated')
    })

    it('A4: its refusals hold nothing of the token', async () => {
      const tokens = [await kit.forge(good()), await kit.issue('marker'), await kit.issue(good({ exp: now() - 60 }))]
      for (const token of tokens) {
        const error = await refusal(token)
        const logged = `${error.message} ${String(error.cause)} ${JSON.stringify(error.toBody())}`
        expect(error.cause === undefined || typeof error.cause === 'string').toBe(true)
        expect(logged).not.toContain('marker')
        for (const part of token.split('.').filter((text) => text.length > 8)) expect(logged).not.toContain(part)
      }
    })
  })
}
