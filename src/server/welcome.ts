import { isChannelAddress } from '../protocol/channel.ts'
import type { Connected } from '../protocol/session.ts'
import { PROTOCOL_VERSION } from '../protocol/version.ts'
import type { Blocks } from './access/blocks.ts'
import type { Revocations } from './access/revocations.ts'
import type { Channels } from './channels/channels.ts'
import type { ConnectionCount } from './session/connection-count.ts'
import { inLane } from './session/lane.ts'
import type { Session } from './session/session.ts'

export interface WelcomeOptions {
  readonly channels: Channels
  readonly revocations: Revocations
  readonly blocks: Blocks
  readonly connectionCount: ConnectionCount
  readonly serverId: string
  /** What a client is told of its limits. */
  readonly limits: Connected['limits']
}

/** The first steps of a session. */
export class Welcome {
  readonly #options: WelcomeOptions

  constructor(options: WelcomeOptions) {
    this.#options = options
  }

  /** Learns what has to be known before anything is served. @throws ConveneError `revoked`, `too_many`, `unavailable` */
  async prepare(session: Session): Promise<void> {
    const { revocations, blocks, connectionCount } = this.#options
    await Promise.all([
      revocations.check(session.identity),
      blocks.load(session),
      connectionCount.check(session.userId),
    ])
  }

  /**
   * [CH3], [CON4] Joins a session to its own channel, then greets it, and only then to what it wants to join: many do so
   * as soon as they are connected, and the greeting is the first word. @throws ConveneError `unavailable`
   */
  greet(session: Session): Promise<void> {
    const greeting = this.#greet(session)
    session.turn = greeting.catch(() => {})
    return greeting
  }

  async #greet(session: Session): Promise<void> {
    const { channels, serverId, limits } = this.#options
    const own = `user:${session.userId}`
    // An id that is no part of an address, like auth0|123, has no channel of its own.
    const joined = isChannelAddress(own)
      ? await inLane(session, own, true, undefined, () =>
          channels.follow(session, own, () => session.enter(own, 'viewer')),
        )
      : undefined
    session.send('connected', {
      socketId: session.id,
      userId: session.userId,
      timestamp: new Date().toISOString(),
      protocol: PROTOCOL_VERSION,
      serverId,
      expiresAt: session.expiresAt,
      limits,
    } satisfies Connected)
    session.watch()
    joined?.open()
  }
}
