import { idOf, kindOf } from '../../protocol/channel.ts'
import { initialsOf } from './initials.ts'
import type { RosterChange } from './roster-change.ts'

/** Who is here, as everybody in a project is told; undefined when there is nothing to list. */
export function userPresence(_event: string, body: unknown): object | undefined {
  const { channel, sessions, count } = body as RosterChange
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
