import type { Author } from '../../protocol/envelope.ts'
import type { JoinReply } from '../../protocol/session.ts'
import { NAMELESS } from './board-out.ts'
import { Words } from './dialect.ts'
import { textOf } from './fact.ts'

interface SessionHere {
  readonly sessionId: string
  readonly user: Author
  /** What they show of themselves: clients of another family, whose tokens may have no name, show one. */
  readonly state: Readonly<Record<string, unknown>>
  /** In ms since 1970. */
  readonly joinedAt: number
}

/** What is told of who is in a channel, session by session. */
export interface RosterChange {
  readonly channel: string
  readonly change: 'joined' | 'left' | 'shown' | 'listed'
  readonly session?: SessionHere
  /** Absent while the list is too long to be told each time. */
  readonly sessions?: readonly SessionHere[]
  readonly count: number
}

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
