import type { RedisLife } from '../cluster/redis-life.ts'
import { isAppChannel, onlineKey, TYPING_TTL_SECONDS, typingKey, USERS_ONLINE } from '../dialects/community-app.ts'

// What is true is written again so often, whoever has changed it.
const REFRESH_MS = 30_000
// So often, at most, it is written that somebody still types.
const TYPING_EVERY_MS = 1000
const AT_ONCE = 100
const MEMBERS_AT_ONCE = 500
// Removals that may be owed while Redis is away.
const MAX_OWED = 100_000
const FAREWELL_MS = 1500

/** Somebody in a set who may have to be taken out of it. */
interface Owed {
  readonly key: string
  readonly userId: string
  /** Of a set of this channel; undefined of everybody's. */
  readonly channel: string | undefined
}

/** Whether somebody is on another instance, in a channel or anywhere: then it is for that one to take them out. */
export type IsElsewhere = (userId: string, channel: string | undefined) => Promise<boolean>

/** The app's own keys of who is online and who types, kept for the sessions of this instance. */
export class AppRedisKeys {
  readonly #isElsewhere: IsElsewhere
  /** Who is in which set, as far as this instance knows. */
  readonly #here = new Map<string, Map<string, Owed>>()
  readonly #owed = new Map<string, Owed>()
  /** When it was written last that somebody types. */
  readonly #typing = new Map<string, number>()
  #life: RedisLife | undefined
  #paying: Promise<void> | undefined
  #refreshing: NodeJS.Timeout | undefined

  constructor(isElsewhere: IsElsewhere) {
    this.#isElsewhere = isElsewhere
  }

  /** Somebody has a session here, or has none any more. */
  online(userId: string, isHere: boolean): void {
    this.#note({ key: USERS_ONLINE, userId, channel: undefined }, isHere)
  }

  /** Somebody is in a channel here, or is not any more. */
  inChannel(channel: string, userId: string, isHere: boolean): void {
    if (isAppChannel(channel)) this.#note({ key: onlineKey(channel), userId, channel }, isHere)
  }

  /** Somebody types in a channel, or does not any more. */
  typing(channel: string, userId: string, isTyping: boolean): void {
    if (!isAppChannel(channel)) return
    const [key, name] = [typingKey(channel), `${channel} ${userId}`]
    if (!isTyping) {
      this.#typing.delete(name)
      this.#send(['HDEL', key, userId])
      return
    }
    const now = performance.now()
    if (now - (this.#typing.get(name) ?? Number.NEGATIVE_INFINITY) < TYPING_EVERY_MS) return
    this.#typing.set(name, now)
    this.#send(['HSET', key, userId, String(Date.now())])
    this.#send(['EXPIRE', key, String(TYPING_TTL_SECONDS)])
  }

  /** A connection is in use: what is true is written, whatever the keys say. */
  began(life: RedisLife): void {
    this.#life = life
    this.#refresh()
  }

  ended(): void {
    clearTimeout(this.#refreshing)
    this.#life = undefined
  }

  /** Takes out whoever is in only here. Resolves when it is done, or takes too long. */
  async takeBack(): Promise<void> {
    clearTimeout(this.#refreshing)
    for (const members of this.#here.values()) for (const owed of members.values()) this.#owe(owed)
    this.#here.clear()
    await Promise.race([this.#pay(), new Promise((resolve) => setTimeout(resolve, FAREWELL_MS).unref())])
    this.#life = undefined
  }

  #note(member: Owed, isHere: boolean): void {
    const { key, userId } = member
    const members = this.#here.get(key) ?? new Map<string, Owed>()
    if (members.has(userId) === isHere) return
    if (isHere) {
      this.#here.set(key, members.set(userId, member))
      this.#owed.delete(nameOf(member))
      this.#send(['SADD', key, userId])
      return
    }
    members.delete(userId)
    if (members.size === 0) this.#here.delete(key)
    this.#owe(member)
    void this.#pay()
  }

  #owe(member: Owed): void {
    const [oldest] = this.#owed.keys()
    if (this.#owed.size >= MAX_OWED && oldest !== undefined) this.#owed.delete(oldest)
    this.#owed.set(nameOf(member), member)
  }

  /** Takes out all who are to be taken out, as long as Redis is there. */
  #pay(): Promise<void> {
    if (this.#life && this.#owed.size > 0) this.#paying ??= this.#payAll()
    return this.#paying ?? Promise.resolve()
  }

  async #payAll(): Promise<void> {
    while (this.#life && this.#owed.size > 0) {
      const life = this.#life
      const some = [...this.#owed.entries()].slice(0, AT_ONCE)
      const paid = await Promise.all(some.map(([name, owed]) => this.#payOne(life, name, owed)))
      if (paid.includes(false)) break
    }
    this.#paying = undefined
  }

  /** False when it is still owed. */
  async #payOne(life: RedisLife, name: string, owed: Owed): Promise<boolean> {
    const { key, userId, channel } = owed
    const isElsewhere = await this.#isElsewhere(userId, channel).catch(() => false)
    // They may have come back meanwhile.
    if (this.#owed.get(name) !== owed) return true
    try {
      if (!isElsewhere) await life.ask(['SREM', key, userId])
    } catch {
      return false
    }
    if (this.#owed.get(name) === owed) this.#owed.delete(name)
    return true
  }

  #refresh(): void {
    for (const [key, members] of this.#here) {
      const ids = [...members.keys()]
      for (let at = 0; at < ids.length; at += MEMBERS_AT_ONCE) {
        this.#send(['SADD', key, ...ids.slice(at, at + MEMBERS_AT_ONCE)])
      }
    }
    void this.#pay()
    this.#refreshing = setTimeout(() => this.#refresh(), REFRESH_MS).unref()
  }

  /** What is lost is written by the next refresh. */
  #send(command: readonly string[]): void {
    this.#life?.send(command).catch(() => {})
  }
}

function nameOf({ key, userId }: Owed): string {
  return `${key} ${userId}`
}
