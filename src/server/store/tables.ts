import type { Generated } from 'kysely'

/** One row a channel that ever had a member or a fact. */
export interface ChannelsTable {
  id: Generated<number>
  address: string
  epoch: string
  /** The last seq given. */
  head: Generated<number>
  /** The oldest seq still held. */
  floor: Generated<number>
}

/** One row a fact. */
export interface EventsTable {
  channel_id: number
  seq: number
  type: string
  operation_id: string
  /** JSON of the author, or null. */
  user: string | null
  /** JSON. */
  payload: string
  /** ms since 1970 */
  timestamp: number
}

export interface Tables {
  channels: ChannelsTable
  events: EventsTable
}
