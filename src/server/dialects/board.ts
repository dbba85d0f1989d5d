import type { JoinReply } from '../../protocol/session.ts'
import { joinAsked, leaveAsked, OWN_WORDS } from './board-in.ts'
import { factWords, inBoardWords } from './board-out.ts'
import { type JoinPosition, joinedWords, presenceWords, type RosterChange } from './board-presence.ts'
import { type Answer, type Self, type SocketIoDialect, type Step, Words } from './dialect.ts'
import { factOf } from './fact.ts'
import { OLDER_EVENTS } from './older-events.ts'

/** Whether a client that says this speaks the board's words from now on. */
export function beginsBoard(event: unknown): boolean {
  return event === 'join-project'
}

/** The words of one client of the board (Synkora), on Socket.IO. What it says in the protocol's own is served as such. */
export function speakBoard({ sessionId }: Self): SocketIoDialect {
  /** [D7] Where it stood when it was joined, until it is told so. */
  const positions = new Map<string, JoinPosition>()

  function join(said: unknown): Step<Words> {
    const body = joinAsked(said)
    if (!body) return { say: [new Words('error', { message: 'Project ID is required' })] }
    return {
      ask: 'channel:join',
      body,
      answered(answer) {
        if (!answer.ok) return refused('join-project', answer)
        const { channel, epoch, head: seq, recovered, reason, events } = answer as unknown as JoinReply
        const missed = 'since' in body && { recovered, ...(reason !== undefined && { reason }) }
        positions.set(channel, { channel, epoch, seq, ...missed })
        return events.flatMap((entry) => (factOf(entry.type, entry) ? factWords(entry.type, entry) : []))
      },
    }
  }

  return {
    // Its own words are never acknowledged, as in the original; a failure is told as `error`.
    hear({ event, body, reply }) {
      if (typeof event !== 'string' || OLDER_EVENTS.has(event)) return []
      if (event === 'join-project') return [join(body)]
      if (event === 'leave-project') return leaveAsked(body).map((asked) => ({ ...asked, answered: left }))
      if (event === 'ping') return [{ ask: 'ping', body: {} }]
      const own = OWN_WORDS.get(event)
      if (own) return own(body).map((asked) => ({ ...asked, answered: (answer) => refused(event, answer) }))
      return [{ ask: event, body, answered: reply && ((answer) => replied(reply, answer)) }]
    },
    tell(told) {
      const { event, body } = told
      if (factOf(event, body)) return told.as(factWords)
      if (event !== 'presence:sessions') return told.as(inBoardWords)
      const roster = body as RosterChange
      if (roster.change !== 'joined' || roster.session?.sessionId !== sessionId) return told.as(presenceWords)
      const position = positions.get(roster.channel)
      positions.delete(roster.channel)
      return joinedWords(roster, position)
    },
  }
}

function refused(event: string, answer: Answer): Words[] {
  return answer.ok ? [] : [new Words('error', { ...answer.error, event })]
}

/** The app leaves more often than it has joined. */
function left(answer: Answer): Words[] {
  return !answer.ok && answer.error.code === 'not_joined' ? [] : refused('leave-project', answer)
}

function replied(reply: (answer: Answer) => void, answer: Answer): Words[] {
  reply(answer)
  return []
}
