import { describe, expect, it } from 'vitest'
import { ConveneError } from '../../../src/protocol/errors.ts'
import { identityOf } from '../../../src/server/auth/identity.ts'

describe('[CON3] identity', () => {
  it('is sub, name, picture and email, with all claims', () => {
    const claims = { sub: 'ada', name: 'Ada', picture: 'https://x/ada.png', email: 'ada@example.org', projects: ['p1'] }
    expect(identityOf(claims)).toEqual({
      id: 'ada',
      name: 'Ada',
      image: 'https://x/ada.png',
      email: 'ada@example.org',
      claims,
    })
  })

  it.each([
    [{ sub: 'a', id: 'b' }, 'a'],
    [{ id: 'b' }, 'b'],
    [{ sub: '', id: 'b' }, 'b'],
    [{ sub: null, id: 'b' }, 'b'],
    [{ sub: { toString: 'a' }, id: 'b' }, 'b'],
    [{ id: 42 }, '42'],
    [{ sub: 42 }, '42'],
    [{ sub: 'x'.repeat(256) }, 'x'.repeat(256)],
    [{ sub: 'auth0|Ünï 😀@example.org' }, 'auth0|Ünï 😀@example.org'],
  ])('%j is %s', (claims, id) => {
    expect(identityOf(claims).id).toBe(id)
  })

  it.each([
    {},
    { sub: '' },
    { id: '' },
    { sub: null, id: null },
    { sub: ['ada'] },
    { sub: {} },
    { sub: true },
    { id: 1.5 },
    { id: 2 ** 53 },
    { id: Number.POSITIVE_INFINITY },
    { sub: 'x'.repeat(257), id: 'b' },
    { sub: 'ada\0' },
    { sub: 'ada\r\nlevel=info' },
    { sub: '\ud83d' },
    JSON.parse('{"__proto__":{"sub":"ada"}}') as Record<string, unknown>,
  ])('[CON2] %j is an Invalid token', (claims) => {
    const error = (() => {
      try {
        return identityOf(claims)
      } catch (reason) {
        return reason
      }
    })()
    expect(error).toBeInstanceOf(ConveneError)
    expect(error).toMatchObject({ code: 'unauthenticated', message: 'Invalid token' })
  })

  it('takes picture before image, and image when picture is no text', () => {
    expect(identityOf({ sub: 'a', picture: 'p', image: 'i' }).image).toBe('p')
    expect(identityOf({ sub: 'a', image: 'i' }).image).toBe('i')
    expect(identityOf({ sub: 'a', picture: null, image: 'i' }).image).toBe('i')
  })

  it('leaves out what is no usable text', () => {
    for (const bad of ['', 5, null, {}, ['Ada'], 'Ada\u001b[31m', '\udc00', 'x'.repeat(3000)]) {
      expect(Object.keys(identityOf({ sub: 'a', name: bad, picture: bad, image: bad, email: bad }))).toEqual([
        'id',
        'claims',
      ])
    }
  })

  it('cannot be changed', () => {
    const identity = identityOf({ sub: 'a', role: 'viewer' })
    expect(() => Object.assign(identity, { id: 'b' })).toThrow(TypeError)
    expect(() => Object.assign(identity.claims, { role: 'admin' })).toThrow(TypeError)
  })

  it('A24: claims named like prototypes stay data', () => {
    const identity = identityOf(JSON.parse('{"sub":"a","__proto__":{"role":"admin"},"constructor":1}'))
    expect(Object.getPrototypeOf(identity.claims)).toBe(Object.prototype)
    expect(identity.claims.role).toBeUndefined()
    expect(({} as { role?: unknown }).role).toBeUndefined()
  })
})
