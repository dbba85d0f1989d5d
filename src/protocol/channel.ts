import { z } from 'zod'

/** What may be shared. Each kind is a family of addresses, `project:p1`. */
export const CHANNEL_KINDS = ['project', 'room', 'group', 'dashboard', 'user'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

/** A channel's address, `kind:id`. */
export type ChannelAddress = `${ChannelKind}:${string}`

const ADDRESS = /^(project|room|group|dashboard|user):[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}$/

/** What an address looks like, in a sentence that begins with expected. */
export const ADDRESS_FORM = `a channel address kind:id, like project:p1, with kind one of ${CHANNEL_KINDS.join(', ')} and an id of letters, digits and _ . @ -`

/** [CH1] `kind:id`; the id starts with a letter or digit and has at most 128 of `A-Z a-z 0-9 _ . @ -`. */
export const channelAddress = z.string().regex(ADDRESS, `expected ${ADDRESS_FORM}`)

/** Whether a text is a channel's address. */
export function isChannelAddress(text: string): text is ChannelAddress {
  return ADDRESS.test(text)
}

/** The kind of an address that has been checked. */
export function kindOf(address: string): ChannelKind {
  return address.slice(0, address.indexOf(':')) as ChannelKind
}

/** The id of an address that has been checked. */
export function idOf(address: string): string {
  return address.slice(address.indexOf(':') + 1)
}
