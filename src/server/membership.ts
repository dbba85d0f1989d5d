import type { Envelope, FactReply } from '../protocol/envelope.ts'
import { ConveneError } from '../protocol/errors.ts'
import type { Member, MemberRole } from '../protocol/members.ts'
import type { Members } from './access/members.ts'
import { expel, type Rooms } from './handlers.ts'
import type { Sessions } from './session/sessions.ts'

// Somebody else may change the same member at the same moment; not for ever.
const TRIES = 5

export interface MembershipOptions extends Rooms {
  readonly members: Members
  readonly sessions: Sessions
}

/** [FACT3] Changes of members: made as facts, and taking effect where they stand among the others. */
export class Membership {
  readonly #options: MembershipOptions

  constructor(options: MembershipOptions) {
    this.#options = options
  }

  /** Gives somebody a role; without a reply when they had it. */
  async set(channel: string, userId: string, role: MemberRole): Promise<FactReply | undefined> {
    for (let tries = 1; ; tries++) {
      const before = await this.#options.members.find(channel, userId)
      if (before?.role === role) return undefined
      try {
        return await this.#publish(channel, before ? 'member:changed' : 'member:added', { userId, role })
      } catch (error) {
        if (!(error instanceof ConveneError) || !isOutrun(error) || tries === TRIES) throw error
      }
    }
  }

  /** @throws ConveneError `not_found` */
  remove(channel: string, userId: string): Promise<FactReply> {
    return this.#publish(channel, 'member:removed', { userId })
  }

  /** What a change of a member does here: whatever stands before it was delivered, nothing after it was. */
  readonly takeEffect = ({ channel, payload }: Envelope): void => {
    const { sessions, channels, presence } = this.#options
    const { userId, role = 'none' } = payload as unknown as Partial<Member> & { userId: string }
    const theirs = sessions.of(userId)
    // All of them first: what one leaves behind, as the end of its typing, is not for the others any more.
    if (role === 'none') for (const session of theirs) channels.leave(session, channel, removed(channel))
    for (const session of theirs) {
      const isMember = session.role(channel) !== undefined
      if (role === 'none') {
        if (isMember) expel(session, channel, 'removed', this.#options)
      } else if (isMember) {
        session.enter(channel, role)
      } else {
        channels.leave(session, channel, outdated(channel))
      }
    }
    if (role === 'none') presence.forget(channel, userId)
  }

  #publish(channel: string, type: string, payload: Record<string, unknown>): Promise<FactReply> {
    return this.#options.channels.publish({ channel, type, payload, user: null, role: 'admin' })
  }
}

/** Whether it was changed by somebody else since it was read. */
function isOutrun({ code }: ConveneError): boolean {
  return code === 'conflict' || code === 'not_found'
}

function removed(channel: string): ConveneError {
  return new ConveneError('forbidden', `You were removed from ${channel}`)
}

function outdated(channel: string): ConveneError {
  return new ConveneError('unavailable', `Your role in ${channel} changed while you were joining; join again`)
}
