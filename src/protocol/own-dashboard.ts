import { type ChannelAddress, isChannelAddress } from './channel.ts'

const OWN = /^dashboard:user[-.]/
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/**
 * [D2] The dashboard that is somebody's own: `dashboard:user-<userId>`; of an id that is no part of an address, like
 * `auth0|123`, `dashboard:user.<base64url of it>`. Undefined for an id that is too long even for that.
 */
export function ownDashboard(userId: string): ChannelAddress | undefined {
  const plain = `dashboard:user-${userId}`
  if (isChannelAddress(plain)) return plain
  const encoded = `dashboard:user.${base64url(userId)}`
  return isChannelAddress(encoded) ? encoded : undefined
}

/** Whether a dashboard is somebody's own, whoever that is. */
export function isOwnDashboard(address: string): boolean {
  return OWN.test(address)
}

/** Of well-formed text in UTF-8, without padding. Not every platform this runs on has one built in. */
function base64url(text: string): string {
  const bytes = encodeURIComponent(text).match(/%..|[^%]/g) ?? []
  const bits = bytes.map((byte) => codeOf(byte).toString(2).padStart(8, '0')).join('')
  return (bits.match(/.{1,6}/g) ?? []).map((six) => BASE64URL[Number.parseInt(six.padEnd(6, '0'), 2)]).join('')
}

function codeOf(byte: string): number {
  return byte.length === 3 ? Number.parseInt(byte.slice(1), 16) : byte.charCodeAt(0)
}
