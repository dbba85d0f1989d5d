// What an option may be: each kind parses text or a typed value, or says what would do.
import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { CLIENT_EVENTS } from '../../protocol/client-events.ts'
import { factType } from '../../protocol/envelope.ts'
import { SERVER_EVENTS } from '../../protocol/server-events.ts'

/** A value that will not do. The message says what would, and never repeats the value: it may be a secret. */
export class Unfit extends Error {
  override readonly name = 'Unfit'
}

export type Kind<T> = (given: unknown) => T

function unfit(whatWouldDo: string): never {
  throw new Unfit(whatWouldDo)
}

export function wholeNumber(least: number, most: number): Kind<number> {
  return (given) => {
    const number = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given
    if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number
    return unfit(`give a whole number from ${least} to ${most}`)
  }
}

export const flag: Kind<boolean> = (given) => {
  if (given === true || given === false) return given
  const word = typeof given === 'string' ? given.toLowerCase() : ''
  if (['true', '1', 'yes', 'on'].includes(word)) return true
  if (['false', '0', 'no', 'off'].includes(word)) return false
  return unfit('give true or false')
}

export function oneOf<const W extends string>(...words: readonly W[]): Kind<W> {
  return (given) => words.find((word) => word === given) ?? unfit(`give one of ${words.join(', ')}`)
}

/** Text in one line that matches a pattern; `whatWouldDo` says which. */
export function textLike(pattern: RegExp, whatWouldDo: string): Kind<string> {
  return (given) => (typeof given === 'string' && pattern.test(given) ? given : unfit(whatWouldDo))
}

/** Any text in one line. */
export const line: Kind<string> = textLike(/^[^\p{Cc}]+$/u, 'give text in one line')

/** Comma-separated text, or an array. Blanks around an element and empty elements are dropped. */
export function list<T>(element: Kind<T>): Kind<readonly T[]> {
  return (given) => {
    const all: unknown = typeof given === 'string' ? given.split(',') : given
    if (!Array.isArray(all)) return unfit('give a comma-separated list')
    const named = all.map((one: unknown) => (typeof one === 'string' ? one.trim() : one)).filter((one) => one !== '')
    if (named.length === 0 && all.length > 0) return unfit('give at least one, or leave it unset')
    return Object.freeze([...new Set(named.map(element))])
  }
}

export function nonEmpty<T>(kind: Kind<readonly T[]>): Kind<readonly T[]> {
  return (given) => {
    const all = kind(given)
    return all.length > 0 ? all : unfit('give at least one')
  }
}

const MODES = ['development', 'production', 'test'] as const
export type Mode = (typeof MODES)[number]

/** Whatever is not production is development; what looks like a slip for production is refused, for it would open the doors. */
export const mode: Kind<Mode> = (given) => {
  if (typeof given !== 'string') return unfit(`give one of ${MODES.join(', ')}`)
  const slip = given !== 'production' && /^prod/i.test(given)
  return slip
    ? unfit('write production, in full and lower case')
    : (MODES.find((one) => one === given) ?? 'development')
}

export const host: Kind<string> = (given) => {
  if (typeof given === 'string' && (isIP(given) !== 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(given))) return given
  return unfit('give an address or a host name to listen on, like 0.0.0.0, without scheme or port')
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

export function url(...schemes: readonly string[]): Kind<string> {
  return (given) => {
    const parsed = typeof given === 'string' ? parseUrl(given) : undefined
    if (parsed && parsed.hostname !== '' && schemes.includes(parsed.protocol.slice(0, -1))) return given as string
    return unfit(`give an address that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`)
  }
}

/** An address that is asked over HTTP. A password in it would end up in logs. */
export const httpUrl: Kind<string> = (given) => {
  const text = url('https', 'http')(given)
  const { username, password } = new URL(text)
  return username || password ? unfit('give it without a user name and password') : text
}

/** Exactly as a browser writes it, since it is compared as text. */
const origin: Kind<string> = (given) => {
  if (given === '*') return given
  if (typeof given !== 'string') return unfit('give origins as text, like https://app.example.com')
  if (given.includes('*')) return unfit('list each origin: a * inside an origin is not served')
  if (given.endsWith('/')) return unfit('write each origin without a slash at its end, like https://app.example.com')
  const ownScheme = /^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^/?#@\s]+$/
  if (ownScheme.test(given) || (/^https?:/.test(given) && parseUrl(given)?.origin === given)) return given
  return unfit(
    'write each origin as a browser does, scheme://host or scheme://host:port, in lower case, without path or default port',
  )
}

/** `localhost` stands for any origin on this computer. */
export const origins: Kind<readonly string[] | 'localhost'> = (given) =>
  given === 'localhost' ? given : list(origin)(given)

export const eventName: Kind<string> = (given) => {
  if (typeof given !== 'string' || !factType.safeParse(given).success) {
    return unfit('give names like card:move: noun:verb, in lower case, at most 128 characters')
  }
  const taken = Object.hasOwn(CLIENT_EVENTS, given) || Object.hasOwn(SERVER_EVENTS, given)
  return taken ? unfit('name only events of your own: one of these is an event of the protocol already') : given
}

export const databaseUrl: Kind<string> = (given) => {
  if (typeof given === 'string' && /^postgres(ql)?:\/\/[^/\s]/.test(given)) return given
  if (typeof given === 'string' && /^sqlite:(?!\/\/)[^\p{Cc}]+$/u.test(given)) return given
  return unfit(
    'give sqlite:<path>, like sqlite:./data/convene.db or sqlite:/var/lib/convene.db, sqlite::memory:, or postgres://user:password@host:5432/database',
  )
}

function readKey(given: string): string {
  if (given.includes('-----BEGIN')) return given.replaceAll('\\n', '\n')
  try {
    return readFileSync(given, 'utf8')
  } catch (error) {
    // Only the code: the message repeats the path, which may be a key that lost its first line.
    const { code } = error as NodeJS.ErrnoException
    return unfit(`give a public key as PEM text, or the path of a file that can be read (${code ?? 'unreadable'})`)
  }
}

/** PEM text or a file's path; comes out as PEM. */
export const publicKey: Kind<string> = (given) => {
  if (typeof given !== 'string') return unfit("give a public key as PEM text, or a file's path")
  const pem = readKey(given)
  // Node would derive the public key, and the private one would lie about on a server that has no use for it.
  if (pem.includes('PRIVATE KEY'))
    return unfit('give the public key; this is the private one, keep it where tokens are made')
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    return unfit('give a public key as PEM text, from -----BEGIN PUBLIC KEY----- to its end')
  }
  const type = key.asymmetricKeyType ?? ''
  if (!['rsa', 'ec', 'ed25519'].includes(type)) return unfit('give an RSA, EC or Ed25519 public key')
  if ((key.asymmetricKeyDetails?.modulusLength ?? 2048) < 2048) return unfit('give an RSA key of 2048 bits or more')
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

/** What Upstash shows beside each other: a REST address, and a token that opens the Redis port as well. */
export interface UpstashAccess {
  readonly restUrl: string | undefined
  readonly restToken: string | undefined
}

function isUpstashAccess(given: unknown): given is UpstashAccess {
  return typeof given === 'object' && given !== null && 'restUrl' in given && 'restToken' in given
}

export const redisUrl: Kind<string> = (given) => {
  if (!isUpstashAccess(given)) return url('redis', 'rediss')(given)
  const host = parseUrl(given.restUrl ?? '')?.hostname
  if (!host || !given.restToken) {
    return unfit('set both UPSTASH_REDIS_REST_URL, an https:// address, and UPSTASH_REDIS_REST_TOKEN')
  }
  return `rediss://default:${encodeURIComponent(given.restToken)}@${host}:6379`
}
