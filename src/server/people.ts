import { ConveneError } from '../protocol/errors.ts'
import type { Blocks } from './access/blocks.ts'
import type { Revocations } from './access/revocations.ts'
import type { Control, ControlReactions } from './channels/control.ts'
import type { Presence } from './presence/presence.ts'
import type { Session } from './session/session.ts'
import type { Sessions } from './session/sessions.ts'

export interface PeopleOptions {
  readonly sessions: Sessions
  readonly revocations: Revocations
  readonly blocks: Blocks
  readonly presence: Presence
  readonly control: Control
  /** How many sessions somebody has on all instances. */
  count(userId: string): Promise<number>
}

/** What an app's server may do about a person's sessions, on every instance. Each resolves to how many there were. */
export class People {
  readonly #options: PeopleOptions

  constructor(options: PeopleOptions) {
    this.#options = options
  }

  /** Closes somebody's connections; their clients come back by themselves. */
  async disconnect(userId: string): Promise<number> {
    const count = await this.#options.count(userId)
    await this.#options.control.tell('user:disconnected', { userId })
    return count
  }

  /** [LIFE2] Ends somebody's sessions, and refuses the tokens that they have. `until` in ms since 1970: any token till then. */
  async revokeUser(userId: string, until: number | undefined): Promise<number> {
    const count = await this.#options.count(userId)
    await this.#options.revocations.revokeUser(userId, until)
    return count
  }

  /** [LIFE2] Ends the sessions of one token, named by its claim `jti`, and refuses it from now on. Counted are those here. */
  async revokeToken(jti: string): Promise<number> {
    const { length } = this.#under(jti)
    await this.#options.revocations.revokeToken(jti)
    return length
  }

  /** What each instance does when it is told what one of them has done. */
  readonly reactions: ControlReactions = {
    'user:disconnected': ({ userId }) => {
      for (const session of this.#options.sessions.of(String(userId))) session.reset()
    },
    'user:revoked': ({ userId }) => this.#lookAgain(String(userId)),
    'token:revoked': ({ jti }) => this.#end(this.#under(String(jti))),
    'user:blocked': ({ userId }) => void this.#options.blocks.changed(String(userId)),
  }

  /** Ends those of somebody's sessions that are revoked by now: heard of late, they may have signed in again. */
  async #lookAgain(userId: string): Promise<void> {
    const { sessions, revocations, presence } = this.#options
    await Promise.all(
      sessions.of(userId).map(async (session) => {
        try {
          await revocations.check(session.identity)
        } catch (error) {
          if (error instanceof ConveneError && error.code === 'revoked') this.#end([session])
          // What cannot be read now is read when it comes back.
          else session.reset()
        }
      }),
    )
    if (sessions.of(userId).every(({ closed }) => closed)) presence.forgetEverywhere(userId)
  }

  #under(jti: string): Session[] {
    return [...this.#options.sessions].filter(({ identity }) => identity.claims.jti === jti)
  }

  #end(sessions: readonly Session[]): void {
    for (const session of sessions) session.close(new ConveneError('revoked', 'Access was revoked; sign in again'))
  }
}
