import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Author } from '../../protocol/envelope.ts'
import { initialsOf } from './initials.ts'

/** One connection of those who are here; `joinedAt` in ms since 1970. */
interface SessionTold {
  readonly sessionId: string
  readonly user: Author
  readonly state: unknown
  readonly joinedAt: number
}

/** What is told of those who are here: the list only where it is not too long to be told each time. */
export interface SessionsTold {
  readonly channel: string
  readonly change: 'joined' | 'left' | 'shown' | 'listed'
  readonly session?: SessionTold
  readonly sessions?: readonly SessionTold[]
  readonly count: number
}

/** Who is here, as everybody in a project is told; undefined when there is nothing to list. */
export function userPresence(_event: string, body: unknown): object | undefined {
  const { channel, sessions, count } = body as SessionsTold
  if (!sessions || kindOf(channel) !== 'project') return undefined
  // Where claims are believed, who has not said who they are is nobody yet.
  const known = sessions.filter(({ sessionId, user }) => user.id !== sessionId)
  const now = Date.now()
  return {
    type: 'USER_PRESENCE',
    payload: {
      projectId: idOf(channel),
      activeUsers: known.map(({ sessionId, user, state, joinedAt }) => ({
        userId: user.id,
        clientId: sessionId,
        joinedAt,
        initials: initialsOf(user, state),
      })),
      userCount: count - (sessions.length - known.length),
    },
    operationId: `presence-${now}`,
    timestamp: now,
  }
}

/** The same as it goes out. */
export function presenceFrames(event: string, body: unknown): readonly string[] {
  const frame = userPresence(event, body)
  return frame ? [JSON.stringify(frame)] : []
}
