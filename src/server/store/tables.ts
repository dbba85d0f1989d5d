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
  /** The seq of the last fact that changed who may do what. */
  standing: Generated<number>
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
  /** Of a fact that a rule decided: a digest of what was asked, and JSON of what the reply said beside the place. */
  request: string | null
  result: string | null
}

/** One row a thing that is kept beside the facts. */
export interface RecordsTable {
  scope: string
  kind: string
  id: string
  seq: number
  owner: string | null
  /** 0 or 1 */
  deleted: number
  /** JSON. */
  data: string
}

export interface Tables {
  channels: ChannelsTable
  events: EventsTable
  records: RecordsTable
}
