import type { z } from 'zod'
import { isChannelAddress } from '../../protocol/channel.ts'
import type { Author } from '../../protocol/envelope.ts'
import { TYPING_MS } from '../../protocol/limits.ts'
import { type cursorBody, type signalBody, type typingBody, typing as typingEvent } from '../../protocol/signals.ts'
import type { Channels } from '../channels/channels.ts'
import type { Cluster } from '../cluster/cluster.ts'
import type { SignalMessage } from '../cluster/message.ts'
import { Newest } from './newest.ts'
import { type Typing, Typists } from './typing.ts'

// So often, at most, other instances are told of one sender's cursor.
const CURSORS_EVERY_MS = 20
// Who types on another instance is said to have stopped by that one. This is for when it was killed.
const TYPING_ELSEWHERE_MS = TYPING_MS + 1000

/** A session, as far as signals need to know it. */
interface Signaller {
  readonly id: string
  readonly author: Author
}

type TypingBody = z.infer<typeof typingBody> & Pick<Typing, 'name'>

export interface SignalsOptions {
  readonly channels: Pick<Channels, 'signal'>
  readonly cluster: Pick<Cluster, 'health' | 'tell'>
  /** Told when somebody types here, each time they say so, and when they do nowhere any more. */
  readonly typed?: (channel: string, userId: string, isTyping: boolean) => void
}

/** What an app's server says in a channel, about somebody or, with an empty id, nobody. */
export interface Relayed {
  readonly channel: string
  readonly user: Author
  readonly name: string
  readonly payload: unknown
}

/** What happens right now and need not be kept: typing, cursors, and whatever an app makes of `signal` [SIG1]. */
export class Signals {
  readonly #options: SignalsOptions
  readonly #here = new Typists((typing) => this.#stopped(typing), TYPING_MS)
  /** Those whose sessions are on other instances. */
  readonly #elsewhere = new Typists((typing) => this.#sayStopped(typing), TYPING_ELSEWHERE_MS)
  readonly #cursors = new Newest<SignalMessage>(CURSORS_EVERY_MS, (message) => this.#tellOthers(message))

  constructor(options: SignalsOptions) {
    this.#options = options
  }

  /** How many sessions of this instance are typing, over all channels. */
  get typing(): number {
    return this.#here.size
  }

  type(session: Signaller, { channel, isTyping, context, timestamp, name }: TypingBody): void {
    const typing: Typing = { channel, sessionId: session.id, user: session.author, context, timestamp, name }
    if (isTyping) {
      this.#here.start(typing)
      const message = messageOf(typing, true)
      this.#tellHere(message)
      this.#tellOthers(message)
      this.#options.typed?.(channel, session.author.id, true)
      return
    }
    const before = this.#here.end(channel, session.id)
    if (before && before.context !== context) this.#stopped(before)
    this.#stopped(typing)
  }

  /** Tells one person, wherever they are, that somebody writes to them [D4]. */
  typeTo(session: Signaller, { userId, ...typing }: Omit<TypingBody, 'channel'> & { userId: string }): void {
    const channel = `user:${userId}`
    if (isChannelAddress(channel)) this.type(session, { ...typing, channel })
  }

  /** Of one session's cursors in a channel only the newest of a turn goes out [SIG2], and to other instances fewer. */
  moveCursor(session: Signaller, { channel, position, context }: z.infer<typeof cursorBody>): void {
    const { id: sessionId, author: user } = session
    const body = { channel, user, sessionId, position, ...(context !== undefined && { context }) }
    const key = `cursor ${sessionId}`
    const from = { sessionId, userId: user.id }
    const message: SignalMessage = { kind: 'signal', channel, event: 'cursor', body, from, key }
    this.#tellHere(message)
    if (this.#options.cluster.health === 'ok') this.#cursors.put(channel, key, message)
  }

  signal(session: Signaller, { channel, name, payload }: z.infer<typeof signalBody>): void {
    const { id: sessionId, author: user } = session
    const body = { channel, user, sessionId, name, payload }
    const message: SignalMessage = {
      kind: 'signal',
      channel,
      event: 'signal',
      body,
      from: { sessionId, userId: user.id },
    }
    this.#tellHere(message)
    this.#tellOthers(message)
  }

  /** Tells the members here what an app's server says: every instance hears it by itself. It is of no session. */
  relay({ channel, user, name, payload }: Relayed): void {
    const body = { channel, user, sessionId: '', name, payload }
    this.#options.channels.signal(channel, 'signal', body, { sessionId: '', userId: user.id })
  }

  /** Of a session that leaves a channel. */
  leave(channel: string, session: Signaller): void {
    this.#cursors.drop(channel, `cursor ${session.id}`)
    const typing = this.#here.end(channel, session.id)
    if (typing) this.#stopped(typing)
  }

  /** A signal of a session on another instance. */
  receive(message: SignalMessage): void {
    if (message.event === 'typing') this.#receiveTyping(message)
    else if (message.event === 'cursor' || message.event === 'signal') this.#tellHere(message)
  }

  stop(): void {
    this.#here.stop()
    this.#elsewhere.stop()
    this.#cursors.stop()
  }

  #receiveTyping(message: SignalMessage): void {
    const told = typingEvent.safeParse(message.body).data
    if (!told) return
    const { sessionId, name } = message.from
    const typing: Typing = { channel: message.channel, sessionId, user: told.user, context: told.context, name }
    if (told.isTyping) {
      this.#elsewhere.start(typing)
      this.#tellHere(message)
      return
    }
    const before = this.#elsewhere.end(typing.channel, sessionId)
    if (before && before.context !== typing.context) this.#sayStopped(before)
    this.#sayStopped(typing)
  }

  /** Others are told of every session: each instance knows for itself who is typing on in another. */
  #stopped(typing: Typing): void {
    this.#sayStopped(typing)
    this.#tellOthers(messageOf(typing, false))
    if (!this.#isTyping(typing)) this.#options.typed?.(typing.channel, typing.user.id, false)
  }

  /** Nobody is said to have stopped who is typing on in another tab, wherever that is. */
  #sayStopped(typing: Typing): void {
    if (!this.#isTyping(typing)) this.#tellHere(messageOf(typing, false))
  }

  #isTyping(typing: Typing): boolean {
    return this.#here.includes(typing) || this.#elsewhere.includes(typing)
  }

  #tellHere({ channel, event, body, from, key }: SignalMessage): void {
    this.#options.channels.signal(channel, event, body, from, key)
  }

  /** Lost while they are not reached. */
  #tellOthers(message: SignalMessage): void {
    const { cluster } = this.#options
    if (cluster.health === 'ok') cluster.tell(message)
  }
}

function messageOf({ channel, sessionId, user, context, timestamp, name }: Typing, isTyping: boolean): SignalMessage {
  const body = {
    channel,
    user,
    isTyping,
    ...(context !== undefined && { context }),
    ...(isTyping && timestamp !== undefined && { timestamp }),
  }
  return {
    kind: 'signal',
    channel,
    event: 'typing',
    body,
    from: { sessionId, userId: user.id, ...(name !== undefined && { name }) },
  }
}
