import { createHmac, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CompactEncrypt, CompactSign, exportJWK, type JWK } from 'jose'

// Who issues tokens in these tests: made with node:crypto and jose by hand, so that what is judged does not judge itself.

export const SECRET = 'test-only-secret-0123456789abcdef0123456789'
export const OTHER_SECRET = 'another-test-only-secret-0123456789abcdef'

export type Json = Record<string, unknown>

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** Claims that are fine, but for what is said. `undefined` leaves one out. */
export function claims(more: Json = {}): Json {
  return { sub: 'ada', name: 'Ada Lovelace', iat: nowSeconds(), exp: nowSeconds() + 600, ...more }
}

export function encode(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
}

/** A token signed with an HMAC, whatever its header says. */
export function hmacToken(payload: unknown, secret: string | Buffer, header: Json = {}, hash = 'sha256'): string {
  const input = `${encode({ alg: 'HS256', typ: 'JWT', ...header })}.${encode(payload)}`
  return `${input}.${createHmac(hash, secret).update(input).digest('base64url')}`
}

/** A token signed with a private key. A string is the payload as it is. */
export async function keyToken(payload: unknown, key: KeyObject, header: { alg: string } & Json): Promise<string> {
  const bytes = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  return await new CompactSign(bytes).setProtectedHeader(header).sign(key)
}

/** A session as NextAuth encrypts it: v4 without a cookie's name, v5 with. */
export async function sessionToken(payload: unknown, secret: string, cookie = '', header: Json = {}): Promise<string> {
  const enc = typeof header.enc === 'string' ? header.enc : cookie === '' ? 'A256GCM' : 'A256CBC-HS512'
  const info = cookie === '' ? 'NextAuth.js Generated Encryption Key' : `Auth.js Generated Encryption Key (${cookie})`
  const key = new Uint8Array(hkdfSync('sha256', secret, cookie, info, enc === 'A256GCM' ? 32 : 64))
  const bytes = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  return await new CompactEncrypt(bytes).setProtectedHeader({ alg: 'dir', ...header, enc }).encrypt(key)
}

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly pem: string
}

export function keyPair(kind: 'rsa' | 'ed25519' | 'P-256' | 'P-384' | 'P-521'): KeyPair {
  const { publicKey, privateKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: kind })
  return { publicKey, privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() }
}

export async function publicJwk(pair: KeyPair, kid?: string): Promise<JWK> {
  return { ...(await exportJWK(pair.publicKey)), use: 'sig', ...(kid !== undefined && { kid }) }
}

/** An issuer that publishes its keys over HTTP, and can be told to misbehave. */
export interface JwksServer {
  readonly url: string
  readonly fetches: number
  /** What it answers from now on; `hang` never answers. */
  answer(what: { keys: readonly unknown[] } | 'hang' | 'error' | 'redirect'): void
  stop(): Promise<void>
}

export async function startJwksServer(...keys: JWK[]): Promise<JwksServer> {
  let fetches = 0
  let what: Parameters<JwksServer['answer']>[0] = { keys }
  const server = createServer((_request, response: ServerResponse) => {
    fetches++
    if (what === 'hang') return
    if (what === 'redirect') response.writeHead(302, { location: '/elsewhere' }).end()
    else if (what === 'error') response.writeHead(500).end()
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(what))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`,
    get fetches() {
      return fetches
    },
    answer(next) {
      what = next
    },
    async stop() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
