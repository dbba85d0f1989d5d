import type { z } from 'zod'
import type { Author } from '../../protocol/envelope.ts'
import type { cursorBody, signalBody, typingBody } from '../../protocol/signals.ts'
import type { Channels } from '../channels/channels.ts'
import { type Typing, Typists } from './typing.ts'

/** A session, as far as signals need to know it. */
interface Signaller {
  readonly id: string
  readonly author: Author
}

/** What happens right now and need not be kept: typing, cursors, and whatever an app makes of `signal` [SIG1]. */
export class Signals {
  readonly #channels: Pick<Channels, 'signal'>
  readonly #typists: Typists

  constructor(channels: Pick<Channels, 'signal'>) {
    this.#channels = channels
    this.#typists = new Typists((typing) => this.#stopped(typing))
  }

  /** How many are typing, over all channels. */
  get typing(): number {
    return this.#typists.size
  }

  type(session: Signaller, { channel, isTyping, context }: z.infer<typeof typingBody>): void {
    const typing: Typing = { channel, sessionId: session.id, user: session.author, context }
    if (!isTyping) {
      const before = this.#typists.end(channel, session.id)
      if (before && before.context !== context) this.#stopped(before)
      this.#stopped(typing)
      return
    }
    this.#typists.start(typing)
    this.#tell(typing, true)
  }

  /** Of one session's cursors in a channel only the newest of a turn goes out [SIG2]. */
  moveCursor(session: Signaller, { channel, position, context }: z.infer<typeof cursorBody>): void {
    const { id: sessionId, author: user } = session
    const body = { channel, user, sessionId, position, ...(context !== undefined && { context }) }
    this.#channels.signal(channel, 'cursor', body, { sessionId, userId: user.id }, `cursor ${sessionId}`)
  }

  signal(session: Signaller, { channel, name, payload }: z.infer<typeof signalBody>): void {
    const { id: sessionId, author: user } = session
    const body = { channel, user, sessionId, name, payload }
    this.#channels.signal(channel, 'signal', body, { sessionId, userId: user.id })
  }

  /** Of a session that leaves a channel. */
  leave(channel: string, session: Signaller): void {
    const typing = this.#typists.end(channel, session.id)
    if (typing) this.#stopped(typing)
  }

  stop(): void {
    this.#typists.stop()
  }

  /** Nobody is said to have stopped who is typing on in another tab. */
  #stopped(typing: Typing): void {
    if (!this.#typists.includes(typing)) this.#tell(typing, false)
  }

  #tell({ channel, sessionId, user, context }: Typing, isTyping: boolean): void {
    const body = { channel, user, isTyping, ...(context !== undefined && { context }) }
    this.#channels.signal(channel, 'typing', body, { sessionId, userId: user.id })
  }
}
