import { InvalidArgumentError } from 'commander'
import { ADDRESS_FORM, isChannelAddress } from '../protocol/channel.ts'
import { FACT_TYPE, type Position } from '../protocol/envelope.ts'
import { isRole, type Role } from '../protocol/roles.ts'

// Words of the command line, checked. Commander names the argument in front of what is thrown here.

const PATTERN = /^(\*|(project|room|group|dashboard|user):[A-Za-z0-9_.@-]{0,128}\*)$/
const DURATION = /^(\d{1,9})(s|m|h|d)$/
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }
const MOST_SECONDS = 3650 * 86_400

/** Checks one word of the command line. @throws InvalidArgumentError saying what would do */
type Argument<T> = (given: string) => T

function not(expected: string): never {
  throw new InvalidArgumentError(`Expected ${expected}.`)
}

export const userId: Argument<string> = (given) =>
  /^[^\p{Cc}\p{Cs}]{1,256}$/u.test(given) ? given : not('1 to 256 characters')

export const channel: Argument<string> = (given) => (isChannelAddress(given) ? given : not(ADDRESS_FORM))

/** Addresses, or patterns of them, comma-separated. */
export const channels: Argument<readonly string[]> = (given) => {
  const names = given.split(',').map((name) => name.trim())
  const isEach = names.every((name) => isChannelAddress(name) || PATTERN.test(name))
  return isEach ? names : not('channels, comma-separated, like project:p1,room:*')
}

export const role: Argument<Role> = (given) => (isRole(given) ? given : not('one of viewer, commenter, editor, admin'))

/** In seconds. */
export const duration: Argument<number> = (given) => {
  const [, count = '0', unit = 's'] = DURATION.exec(given) ?? []
  const seconds = Number(count) * (SECONDS[unit] ?? 0)
  return seconds > 0 && seconds <= MOST_SECONDS ? seconds : not('a duration like 30m, 1h or 7d, at most 3650d')
}

export const factType: Argument<string> = (given) =>
  given.length <= 128 && FACT_TYPE.test(given) ? given : not('a fact name noun:verb, like task:update')

export const jsonObject: Argument<Record<string, unknown>> = (given) => {
  let value: unknown
  try {
    value = JSON.parse(given)
  } catch {
    // The same sentence as for JSON that is no object.
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as Record<string, unknown>) : not(`a JSON object, like '{"id":"t1"}'`)
}

export const serverUrl: Argument<string> = (given) => {
  const url = URL.canParse(given) ? new URL(given) : undefined
  const fits = url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.username
  return fits ? url.origin : not('an address without a path, like http://localhost:3001')
}

export const since: Argument<Position> = (given) => {
  const [, epoch = '', seq = ''] = /^([^:]{1,64}):(\d{1,15})$/.exec(given) ?? []
  return epoch ? { epoch, seq: Number(seq) } : not('a position <epoch>:<seq>')
}

export const last: Argument<number> = (given) =>
  /^\d{1,3}$/.test(given) && Number(given) <= 300 ? Number(given) : not('a number from 0 to 300')
