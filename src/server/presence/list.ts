import { jsonBytes } from '../../protocol/limits.ts'
import type { PresenceEntry, PresenceList } from '../../protocol/presence.ts'
import type { Person } from './person.ts'

/**
 * [PRE1] People in the order given, in at most so many bytes: without some states, and then without some people.
 * `degraded`: there may be people on other instances who are not known of.
 */
export function listWithin(people: readonly Person[], maxBytes: number, degraded: boolean): PresenceList {
  const present = people.flatMap((person) => (person.entry ? [{ person, entry: person.entry }] : []))
  const connections = present.reduce((sum, { entry }) => sum + entry.connections, 0)
  const more = { ...(degraded && { degraded }) }
  let left = maxBytes - jsonBytes({ members: [], connections, omitted: present.length, ...more })
  // Who is here says more than what the first of them show, so states have what people leave.
  const named: typeof present = []
  for (const one of present) {
    const { bare } = one.person.bytes
    if (bare > left) break
    left -= bare
    named.push(one)
  }
  const members = named.map(({ person, entry }): PresenceEntry => {
    const { state } = person.bytes
    if (state > left) return { ...entry, state: {} }
    left -= state
    return entry
  })
  const omitted = present.length - named.length
  return { members, connections, ...(omitted > 0 && { omitted }), ...more }
}
