import { jsonBytes } from '../../protocol/limits.ts'
import type { PresenceList } from '../../protocol/presence.ts'
import type { Person } from './person.ts'

/** [PRE1] People in the order they came, in at most so many bytes: without some states, and then without some people. */
export function listWithin(people: readonly Person[], maxBytes: number): PresenceList {
  const connections = people.reduce((sum, person) => sum + person.connections, 0)
  let left = maxBytes - jsonBytes({ members: [], connections, omitted: people.length })
  // Who is here says more than what the first of them show, so states have what people leave.
  const named: Person[] = []
  for (const person of people) {
    if (person.bytes.bare > left) break
    left -= person.bytes.bare
    named.push(person)
  }
  const members = named.map(({ entry, bytes }) => {
    if (bytes.state > left) return { ...entry, state: {} }
    left -= bytes.state
    return entry
  })
  const omitted = people.length - named.length
  return { members, connections, ...(omitted > 0 && { omitted }) }
}
