import { ConveneError } from '../protocol/errors.ts'
import type { Revocations } from './access/revocations.ts'
import type { Presence } from './presence/presence.ts'
import type { Session } from './session/session.ts'
import type { Sessions } from './session/sessions.ts'

/** What an app's server may do about a person's sessions. Each resolves to how many it ended. */
export class People {
  readonly #sessions: Sessions
  readonly #revocations: Revocations
  readonly #presence: Presence

  constructor(sessions: Sessions, revocations: Revocations, presence: Presence) {
    this.#sessions = sessions
    this.#revocations = revocations
    this.#presence = presence
  }

  /** Closes somebody's connections; their clients come back by themselves. */
  disconnect(userId: string): number {
    const sessions = this.#sessions.of(userId)
    for (const session of sessions) session.connection.reset()
    return sessions.length
  }

  /** [LIFE2] Ends somebody's sessions, and refuses the tokens that they have. `until` in ms since 1970: any token till then. */
  async revokeUser(userId: string, until: number | undefined): Promise<number> {
    await this.#revocations.revokeUser(userId, until)
    const ended = this.#end(this.#sessions.of(userId))
    this.#presence.forgetEverywhere(userId)
    return ended
  }

  /** [LIFE2] Ends the sessions of one token, named by its claim `jti`, and refuses it from now on. */
  async revokeToken(jti: string): Promise<number> {
    await this.#revocations.revokeToken(jti)
    return this.#end([...this.#sessions].filter(({ identity }) => identity.claims.jti === jti))
  }

  #end(sessions: readonly Session[]): number {
    for (const session of sessions) session.close(new ConveneError('revoked', 'Access was revoked; sign in again'))
    return sessions.length
  }
}
