import type { Author } from '../../protocol/envelope.ts'
import type { Role } from '../../protocol/roles.ts'
import type { Rule } from '../store/record.ts'

/** A fact that somebody wants published; its payload has been checked. */
export interface Publication {
  readonly channel: string
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly operationId?: string | undefined
  /** The version its payload is based on, where that matters. */
  readonly baseVersion?: number | undefined
  /** The author; null is a server, in its own name. */
  readonly user: Author | null
  /** What the author may do in the channel; `admin` for a server. */
  readonly role: Role
  /**
   * What the author may do by now, asked when that has changed since. A server is not asked.
   * @throws ConveneError when they may not publish any more
   */
  readonly roleAnew?: (() => Role | Promise<Role>) | undefined
  /** ms since 1970; now unless given. */
  readonly timestamp?: number | undefined
  /** Told how many bytes everybody is told, about: they are what it costs the others. */
  readonly spend?: ((bytes: number) => void) | undefined
  /** The session that is to have the reply instead of the fact. */
  readonly origin?: string | undefined
}

/** What a feature says of facts of one type: asked for each before it is stored. */
export type FactRule = (publication: Publication) => Rule
