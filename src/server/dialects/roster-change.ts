import type { Author } from '../../protocol/envelope.ts'

/** One session of those who are here. `joinedAt` in ms since 1970. */
export interface SessionHere {
  readonly sessionId: string
  readonly user: Author
  /** What they show of themselves. */
  readonly state: Readonly<Record<string, unknown>>
  readonly joinedAt: number
}

/** What `presence:sessions` tells of a channel, for families that count who is here by connections. */
export interface RosterChange {
  readonly channel: string
  readonly change: 'joined' | 'left' | 'shown' | 'listed'
  readonly session?: SessionHere
  /** Absent while the list is too long to be told each time. */
  readonly sessions?: readonly SessionHere[]
  readonly count: number
}
