import type { Author } from '../../protocol/envelope.ts'

/** Somebody's typing, as others are told of it. */
export interface Typing {
  readonly channel: string
  readonly sessionId: string
  readonly user: Author
  readonly context: string | undefined
  /** When it began, by the client's own time. */
  readonly timestamp?: number | string | undefined
  /** What an older client calls its person, where their token gives no name; told beside the event, not in it. */
  readonly name?: string | undefined
}

interface Entry extends Typing {
  readonly timer: NodeJS.Timeout
}

/** Who is typing where: until they say that they stopped, leave, or say nothing for a while. */
export class Typists {
  readonly #stopped: (typing: Typing) => void
  readonly #forMs: number
  /** By channel, then by session. */
  readonly #typing = new Map<string, Map<string, Entry>>()

  /** `stopped` is told of whom nothing more was heard for `forMs`, and of who began somewhere else. */
  constructor(stopped: (typing: Typing) => void, forMs: number) {
    this.#stopped = stopped
    this.#forMs = forMs
  }

  /** How many sessions are typing. */
  get size(): number {
    let size = 0
    for (const sessions of this.#typing.values()) size += sessions.size
    return size
  }

  /** A session types in one place of a channel at a time: beginning in another ends the first. */
  start(typing: Typing): void {
    const { channel, sessionId } = typing
    const before = this.end(channel, sessionId)
    if (before && before.context !== typing.context) this.#stopped(before)
    const timer = setTimeout(() => {
      const ended = this.end(channel, sessionId)
      if (ended) this.#stopped(ended)
    }, this.#forMs).unref()
    const sessions = this.#typing.get(channel) ?? new Map<string, Entry>()
    this.#typing.set(channel, sessions.set(sessionId, { ...typing, timer }))
  }

  /** What a session was typing in a channel, which it is not any more. */
  end(channel: string, sessionId: string): Typing | undefined {
    const sessions = this.#typing.get(channel)
    const found = sessions?.get(sessionId)
    if (!sessions || !found) return undefined
    clearTimeout(found.timer)
    sessions.delete(sessionId)
    if (sessions.size === 0) this.#typing.delete(channel)
    return found
  }

  /** Whether the same person is typing there in some session. */
  includes({ channel, user, context }: Typing): boolean {
    const sessions = this.#typing.get(channel)?.values() ?? []
    return [...sessions].some((other) => other.user.id === user.id && other.context === context)
  }

  stop(): void {
    for (const sessions of this.#typing.values()) for (const { timer } of sessions.values()) clearTimeout(timer)
    this.#typing.clear()
  }
}
