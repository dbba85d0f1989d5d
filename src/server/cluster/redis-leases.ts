import type { Entry, Leases } from './cluster.ts'
import type { Failed } from './failures.ts'
import { LEASE_MS, LeaseBook } from './lease-book.ts'
import { LeaseKeys } from './lease-keys.ts'
import { beat, eachScope, type Found, readScope, reap, scopesOf } from './lease-records.ts'
import type { RedisLife } from './redis-life.ts'
import type { Seal } from './sealed.ts'
import { ShownEntries } from './shown-entries.ts'

const BEAT_EVERY_MS = 2000

export interface RedisLeasesOptions {
  readonly node: string
  readonly prefix: string
  readonly seal: Seal
  readonly failed: Failed
  /** It does not throw. */
  expired(node: string): void
  /** Redis did not hold what this node shows, and does again. */
  shownAgain(): void
  /** A beat has been given. */
  beaten(): void
}

/** What the nodes show each other through Redis, each under a lease that it renews by a beat. */
export class RedisLeases implements Leases {
  readonly #options: RedisLeasesOptions
  readonly #keys: LeaseKeys
  readonly #shown = new ShownEntries()
  readonly #book = new LeaseBook()
  #life: RedisLife | undefined
  #open = false
  #doubtful = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: RedisLeasesOptions) {
    this.#options = options
    this.#keys = new LeaseKeys(options.prefix)
  }

  show(scope: string, key: string, value: unknown): void {
    const text = JSON.stringify(value)
    const first = this.#shown.set(scope, key, text)
    // The scope first: what is shown must be found by who clears up.
    if (first) this.#write(['SADD', this.#keys.scopesOf(this.#options.node), scope])
    this.#write(this.#setting(scope, [[key, text]]))
  }

  hide(scope: string, key: string): void {
    const { found, last } = this.#shown.delete(scope, key)
    if (!found) return
    this.#write(['HDEL', this.#keys.shown(scope), this.#field(key)])
    if (last) this.#write(['SREM', this.#keys.scopesOf(this.#options.node), scope])
  }

  async read(scope: string): Promise<Entry[]> {
    const life = this.#life
    if (!life || !this.#open) throw new Error('the other instances are not reached')
    const { found, fields } = await readScope(life, this.#keys, scope)
    this.#note(found)
    const { node } = this.#options
    const own = this.#shown.of(scope).map(([key, text]): Entry => ({ node, key, value: JSON.parse(text) }))
    return [...own, ...fields.flatMap(([field, value]) => this.#others(scope, field, value))]
  }

  /** Shows everything on a new connection, and looks who lives. @throws Error */
  async begin(life: RedisLife): Promise<void> {
    this.#book.returned()
    this.#life = life
    this.#note(await beat(life, this.#keys, this.#options.node))
    await this.#showAll(life)
  }

  began(): void {
    clearTimeout(this.#timer)
    this.#open = true
    this.#beatLater()
  }

  ended(): void {
    const wasOpen = this.#open
    this.#open = false
    this.#life = undefined
    if (!wasOpen) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      for (const node of this.#book.endAll()) this.#options.expired(node)
    }, LEASE_MS)
  }

  /** Another node says that it ends. Believed when its lease is gone: what was said can be said again by anybody. */
  async left(node: string): Promise<void> {
    const life = this.#life
    if (!life || !this.#open) return
    const score = await life.ask(['ZSCORE', this.#keys.nodes, node])
    if (score === null && this.#book.end(node)) this.#options.expired(node)
  }

  /** Takes everything back. Resolves when Redis has done it. @throws Error */
  async takeBack(): Promise<void> {
    clearTimeout(this.#timer)
    const life = this.#life
    this.#open = false
    this.#life = undefined
    if (life) await reap(life, this.#keys, this.#options.node)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#open = false
    this.#life = undefined
  }

  #beatLater(): void {
    this.#timer = setTimeout(() => void this.#beat(), BEAT_EVERY_MS)
  }

  async #beat(): Promise<void> {
    const life = this.#life
    if (!life) return
    try {
      const found = await beat(life, this.#keys, this.#options.node)
      if (!found.known || this.#doubtful) {
        await this.#showAll(life)
        this.#options.shownAgain()
      }
      if (this.#life !== life || !this.#open) return
      this.#note(found)
      for (const node of this.#book.expire()) this.#options.expired(node)
      const dead = this.#book.dead(new Set(found.beats.map(({ node }) => node)))
      await Promise.all(dead.map((node) => reap(life, this.#keys, node)))
      this.#options.beaten()
    } catch (error) {
      // As a replica refuses to: then this is not the Redis of the others.
      this.#options.failed('command')
      life.end(error as Error)
    }
    if (this.#life === life && this.#open) this.#beatLater()
  }

  #note({ now, beats }: Found): void {
    for (const { node, at } of beats) if (node !== this.#options.node) this.#book.saw(node, at, now - at)
  }

  /** Makes Redis hold what this node shows, and nothing else of it. What is shown or hidden meanwhile is sent after. */
  async #showAll(life: RedisLife): Promise<void> {
    this.#doubtful = false
    const { node } = this.#options
    const held = new Set(await scopesOf(life, this.#keys, node))
    const sent: Promise<unknown>[] = []
    for (const scope of this.#shown.scopes()) if (!held.has(scope)) sent.push(...this.#reshow(life, scope, []))
    await Promise.all(sent)
    await eachScope(life, this.#keys, node, [...held], (scope, keys) => this.#reshow(life, scope, keys))
  }

  #reshow(life: RedisLife, scope: string, held: readonly string[]): Promise<unknown>[] {
    const entries = this.#shown.of(scope)
    const stale = held.filter((key) => !this.#shown.has(scope, key)).map((key) => this.#field(key))
    const scopes = this.#keys.scopesOf(this.#options.node)
    const sent = [life.ask([entries.length > 0 ? 'SADD' : 'SREM', scopes, scope])]
    if (stale.length > 0) sent.push(life.ask(['HDEL', this.#keys.shown(scope), ...stale]))
    if (entries.length > 0) sent.push(life.ask(this.#setting(scope, entries)))
    return sent
  }

  #setting(scope: string, entries: readonly [string, string][]): string[] {
    const { node, seal } = this.#options
    const fields = entries.flatMap(([key, text]) => [
      this.#field(key),
      seal.close(this.#keys.place(scope, key), node, text),
    ])
    return ['HSET', this.#keys.shown(scope), ...fields]
  }

  #field(key: string): string {
    return `${this.#options.node} ${key}`
  }

  /** An entry of another node, if it lives and wrote it. */
  #others(scope: string, field: string, sealed: string): Entry[] {
    const { node: own, seal, failed } = this.#options
    const [node, key] = [field.slice(0, field.indexOf(' ')), field.slice(field.indexOf(' ') + 1)]
    if (node === own || !this.#book.has(node)) return []
    const opened = seal.open(this.#keys.place(scope, key), Buffer.from(sealed))
    if (opened?.sender !== node) {
      failed('unsealed')
      return []
    }
    return [{ node, key, value: JSON.parse(opened.text) as unknown }]
  }

  #write(command: readonly string[]): void {
    this.#life?.send(command).catch(() => {
      // Whether Redis did it is not known: the next beat shows everything again.
      this.#doubtful = true
      this.#options.failed('command')
    })
  }
}
