import { type ChannelKind, idOf, kindOf } from '../../protocol/channel.ts'
import { isRole, type Role } from '../../protocol/roles.ts'
import type { AccessPolicy } from './policy.ts'

const LISTS: Partial<Record<ChannelKind, string>> = {
  project: 'projects',
  room: 'rooms',
  group: 'groups',
  dashboard: 'dashboards',
}

/**
 * The token says it. `role: "admin"` is admin everywhere; `channels` is a list of addresses (editor) or an object
 * address → role, where an address may end in `*`; `projects`, `rooms`, `groups`, `dashboards` list ids (editor).
 * The most exact match wins: the address itself, then the longest pattern.
 */
export const claimsPolicy: AccessPolicy = {
  role({ claims }, channel) {
    if (claims.role === 'admin') return 'admin'
    const { channels } = claims
    const exact = grantOf(channels, channel)
    if (exact !== undefined) return exact
    return listsId(claims, channel) ? 'editor' : (patternGrant(channels, channel) ?? null)
  },
}

/** What `channels` says of exactly this address or pattern; `null` when it names a role there is not. */
function grantOf(channels: unknown, address: string): Role | null | undefined {
  if (Array.isArray(channels)) return channels.includes(address) ? 'editor' : undefined
  if (typeof channels !== 'object' || channels === null || !Object.hasOwn(channels, address)) return undefined
  const role = (channels as Record<string, unknown>)[address]
  return isRole(role) ? role : null
}

function patternGrant(channels: unknown, channel: string): Role | null | undefined {
  const names: unknown[] = Array.isArray(channels) ? channels : Object.keys((channels as object | null) ?? {})
  const patterns = names.filter((name): name is string => typeof name === 'string' && name.endsWith('*'))
  const matching = patterns.filter((pattern) => channel.startsWith(pattern.slice(0, -1)))
  const longest = matching.sort((a, b) => b.length - a.length)[0]
  return longest === undefined ? undefined : grantOf(channels, longest)
}

function listsId(claims: Readonly<Record<string, unknown>>, channel: string): boolean {
  const ids = claims[LISTS[kindOf(channel)] ?? '']
  return Array.isArray(ids) && ids.includes(idOf(channel))
}
