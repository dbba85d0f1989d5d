import type { JoinReply } from '../../protocol/session.ts'
import { joinAsked, leaveAsked, OWN_WORDS } from './board-in.ts'
import { factWords, inBoardWords } from './board-out.ts'
import { type JoinPosition, joinedWords, presenceWords } from './board-presence.ts'
import { type Answer, type HeardEvent, type Self, type SocketIoDialect, type Step, Words } from './dialect.ts'
import { factOf, field } from './fact.ts'
import { OLDER_EVENTS } from './older-events.ts'
import type { RosterChange } from './roster-change.ts'

type Ask = Extract<Step<Words>, { readonly ask: string }>

// So much of what is said before the first join is kept; what is more is refused.
const MAX_EARLY = 100
const MAX_EARLY_CHARS = 262_144

/**
 * Whether a client that says this speaks the board's words from now on: it names a project, by its bare id, and wants no
 * answer. Who waits for one writes in the protocol's words, if wrongly, and is told so.
 */
export function beginsBoard({ event, body, reply }: HeardEvent): boolean {
  if (event === 'join-project' || event === 'leave-project') return true
  const isOwn = typeof event === 'string' && OWN_WORDS.has(event) && !reply
  return isOwn && Boolean(field(body, 'projectId')) && field(body, 'channel') === undefined
}

/**
 * The words of one client of the board (Synkora), on Socket.IO. What it says in the protocol's own is served as such;
 * `hasJoined` when it has joined something in those.
 */
export function speakBoard({ sessionId }: Self, hasJoined = false): SocketIoDialect {
  /** [D7] Where it stood when it was joined, until it is told so. */
  const positions = new Map<string, JoinPosition>()
  /** What it said before its first join: the stock client sends what was said while it was away before it can join again. */
  const early: Ask[] = []
  let earlyChars = 0

  function join(said: unknown): readonly Step<Words>[] {
    const body = joinAsked(said)
    if (!body) return [{ say: [new Words('error', { message: 'Project ID is required' })] }]
    const joining: Ask = {
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
    return withEarly(joining)
  }

  function withEarly(joining: Ask): readonly Ask[] {
    hasJoined = true
    return [joining, ...early.splice(0)]
  }

  /** What can be asked now. Facts wait for the first join; where somebody pointed or typed is of no use any more by then. */
  function inTime(asked: readonly Ask[]): readonly Ask[] {
    if (hasJoined) return asked
    const facts = asked.filter(({ ask }) => ask !== 'cursor' && ask !== 'typing')
    earlyChars += JSON.stringify(facts).length
    if (early.length >= MAX_EARLY || earlyChars > MAX_EARLY_CHARS) return facts
    early.push(...facts)
    return []
  }

  return {
    // Its own words are never acknowledged, as in the original; a failure is told as `error`.
    hear({ event, body, reply }) {
      if (typeof event !== 'string' || OLDER_EVENTS.has(event)) return []
      if (event === 'join-project') return join(body)
      if (event === 'leave-project') return leaveAsked(body).map((asked) => ({ ...asked, answered: left }))
      if (event === 'ping') return [{ ask: 'ping', body: {} }]
      const own = OWN_WORDS.get(event)
      if (own) return inTime(own(body).map((asked) => ({ ...asked, answered: (answer) => refused(event, answer) })))
      const asked: Ask = { ask: event, body, answered: reply && ((answer) => replied(reply, answer)) }
      return event === 'channel:join' ? withEarly(asked) : [asked]
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
  if (answer.ok) return []
  const { error } = answer
  // By the name that joining has here.
  const message = error.message.replace('channel:join', 'join-project')
  return [new Words('error', { ...error, message, event })]
}

/** The app leaves more often than it has joined. */
function left(answer: Answer): Words[] {
  return !answer.ok && answer.error.code === 'not_joined' ? [] : refused('leave-project', answer)
}

function replied(reply: (answer: Answer) => void, answer: Answer): Words[] {
  reply(answer)
  return []
}
