import type { JoinReply } from '../../protocol/session.ts'
import { NAMELESS } from './board-out.ts'
import { Words } from './dialect.ts'
import { textOf } from './fact.ts'
import type { RosterChange, SessionHere } from './roster-change.ts'

/** [D7] Where a client stands that was just joined, and whether it has been told all since the place it came with. */
export type JoinPosition = Pick<JoinReply, 'channel' | 'epoch'> & { readonly seq: number } & Partial<
    Pick<JoinReply, 'recovered' | 'reason'>
  >

/** What the others are told of who is in a project. */
export function presenceWords(_event: string, body: unknown): readonly Words[] {
  const roster = body as RosterChange
  const { channel, change, session } = roster
  if (!channel.startsWith('project:') || change === 'shown') return []
  const timestamp = new Date().toISOString()
  const words: Words[] = []
  if (session && change === 'joined') {
    const { joinedAt, ...joined } = entryOf(session)
    words.push(new Words('user:joined', { socketId: session.sessionId, ...joined, timestamp: joinedAt }))
  } else {
    if (session) {
      const { userId, userName } = entryOf(session)
      words.push(new Words('user:left', { socketId: session.sessionId, userId, userName, timestamp }))
    }
    if (roster.sessions) words.push(activeOf(roster))
  }
  return [...words, countOf(roster)]
}

/** What a client is told of those it has joined. */
export function joinedWords(roster: RosterChange, position: JoinPosition | undefined): readonly Words[] {
  return roster.channel.startsWith('project:') ? [activeOf(roster, position), countOf(roster)] : []
}

function activeOf({ sessions = [], count }: RosterChange, position?: JoinPosition): Words {
  return new Words('users:active', { users: sessions.map(entryOf), count, ...position })
}

function countOf({ count }: RosterChange): Words {
  return new Words('users:count', { count })
}

function entryOf({ user, state, joinedAt }: SessionHere) {
  return {
    userId: user.id,
    userName: user.name ?? textOf(state.name) ?? NAMELESS,
    ...(user.image !== undefined && { userImage: user.image }),
    joinedAt: new Date(joinedAt).toISOString(),
  }
}
