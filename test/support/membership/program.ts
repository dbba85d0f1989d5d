import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import fc from 'fast-check'
import { token } from './log.ts'
import type { Answer, Asked, Terminal, World } from './terminal.ts'

export const CHANNELS = ['project:p1', 'room:r1'] as const
/** Whose sessions these are; the first is the admin's, whom nobody removes. */
export const SEATS = ['root', 'ann', 'ann', 'ben', 'ben', 'cid'] as const
const PEOPLE = ['ann', 'ben', 'cid'] as const

const place = { seat: fc.nat(SEATS.length - 1), channel: fc.constantFrom(...CHANNELS) }
const role = fc.constantFrom('viewer', 'commenter', 'editor', 'admin', 'none')
const someone = fc.constantFrom(...PEOPLE)
const n = fc.nat(3)

/** One thing that somebody does. */
const deed = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant('join'), ...place, from: fc.constantFrom('now', 'since', 'last') }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('leave'), ...place }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('reconnect'), ...place, from: fc.constantFrom('now', 'since') }),
  },
  { weight: 6, arbitrary: fc.record({ does: fc.constant('update'), ...place }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('sync'), ...place }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('say'), ...place }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('edit'), ...place, n }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('write'), ...place, n }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('signal'), ...place }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('history'), ...place }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('messages'), ...place }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('documents'), ...place }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('refresh'), ...place }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('add'), ...place, someone, role, server: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('change'), ...place, someone, role, server: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('remove'), ...place, someone, server: fc.boolean() }) },
)
type Deed = typeof deed extends fc.Arbitrary<infer D> ? D : never

/** Deeds that begin together, each a little later than the last or not at all, and what is waited for afterwards. */
const burst = fc.record({
  deeds: fc.array(fc.record({ deed, after: fc.constantFrom('at once', 'at once', 'at once', 'turn', 'ms') }), {
    minLength: 1,
    maxLength: 12,
  }),
  next: fc.constantFrom('go on', 'turn', 'ms', 'answers'),
})

/** Bursts of deeds; nobody waits for an answer unless it says so. */
export const program = fc.array(burst, { minLength: 4, maxLength: 14 })
export type Program = typeof program extends fc.Arbitrary<infer P> ? P : never

/** Everybody's sessions, those that ended as well, doing what a program says. */
export class Play {
  readonly terminals: Terminal[] = []
  readonly #world: World
  readonly #seats: Terminal[] = []
  readonly #answers = new Set<Promise<unknown>>()
  readonly #messages: string[] = []
  #said = 0

  constructor(world: World) {
    this.#world = world
  }

  /** Everybody is an editor everywhere, and there. */
  async begin(): Promise<void> {
    const roles = [['root', 'admin'], ...PEOPLE.map((userId) => [userId, 'editor'])]
    for (const channel of CHANNELS) {
      for (const [userId, role] of roles) {
        await this.#world.publish(channel, { type: 'member:added', payload: { userId, role } })
      }
    }
    for (const [seat, userId] of SEATS.entries()) {
      this.#seats.push(await this.#open(seat, userId))
      for (const channel of CHANNELS) this.#ask(seat, 'channel:join', this.#joining(seat, channel, 'now'))
    }
    await this.#answered()
  }

  async run(bursts: Program): Promise<void> {
    for (const { deeds, next } of bursts) {
      for (const { deed, after } of deeds) {
        await pause(after)
        await this.#do(deed)
      }
      if (next === 'answers') await this.#answered()
      else await pause(next)
    }
    await this.#answered()
  }

  /** What everybody is allowed by now, asked for by doing it. */
  tryAll(): { terminal: Terminal; channel: string; answer: Promise<Answer | undefined> }[] {
    return this.#seats.flatMap((terminal, seat) =>
      CHANNELS.map((channel) => ({
        terminal,
        channel,
        answer: this.#ask(seat, 'task:update', this.#fact(seat, channel, { text: this.#token() })),
      })),
    )
  }

  async #do(deed: Deed): Promise<void> {
    const { seat, channel } = deed
    if (deed.does === 'reconnect') {
      this.#seats[seat]?.close()
      this.#seats[seat] = await this.#open(seat, SEATS[seat] as string)
      this.#ask(seat, 'channel:join', this.#joining(seat, channel, deed.from))
      return
    }
    if (deed.does === 'join') this.#ask(seat, 'channel:join', this.#joining(seat, channel, deed.from))
    if (deed.does === 'leave') this.#ask(seat, 'channel:leave', { channel })
    if (deed.does === 'update') this.#ask(seat, 'task:update', this.#fact(seat, channel, { text: this.#token() }))
    if (deed.does === 'sync') {
      const operation = () => ({ type: 'task:move', ...this.#fact(seat, channel, { text: this.#token() }) })
      this.#ask(seat, 'sync', { operations: [operation(), operation()] })
    }
    if (deed.does === 'say') {
      const id = `m${this.#said}`
      this.#messages.push(id)
      this.#ask(seat, 'message:send', this.#fact(seat, channel, { id, content: this.#token() }))
    }
    if (deed.does === 'edit') {
      const messageId = this.#messages.at(-1 - deed.n) ?? 'none'
      this.#ask(seat, 'message:edit', this.#fact(seat, channel, { messageId, content: this.#token() }))
    }
    if (deed.does === 'write') {
      const body = this.#fact(seat, channel, { widgetId: 'w1', data: { text: this.#token() } })
      this.#ask(seat, 'widget:update', { ...body, ...(deed.n > 0 && { baseVersion: deed.n }) })
    }
    if (deed.does === 'signal') {
      this.#ask(seat, 'typing', { channel, isTyping: true })
      this.#ask(seat, 'signal', { channel, name: 'wave', payload: {} })
      this.#ask(seat, 'presence:update', { channel, state: { said: this.#said++ } })
    }
    if (deed.does === 'history') this.#ask(seat, 'channel:history', { channel })
    if (deed.does === 'messages') this.#ask(seat, 'message:list', { channel })
    if (deed.does === 'documents') this.#ask(seat, 'document:list', { channel })
    if (deed.does === 'refresh') this.#ask(seat, 'auth:refresh', { token: this.#world.tokenFor(SEATS[seat] as string) })
    if (deed.does === 'add') this.#change(deed, 'member:added', { userId: deed.someone, role: deed.role })
    if (deed.does === 'change') this.#change(deed, 'member:changed', { userId: deed.someone, role: deed.role })
    if (deed.does === 'remove') this.#change(deed, 'member:removed', { userId: deed.someone })
  }

  /** By the admin, or by the app's server. */
  #change({ channel, server }: { channel: string; server: boolean }, type: string, payload: Record<string, unknown>) {
    if (server) this.#await(this.#world.publish(channel, { type, payload }).catch(() => undefined))
    else this.#ask(0, type, this.#fact(0, channel, payload))
  }

  async #open(seat: number, userId: string): Promise<Terminal> {
    const name = `${userId}-${this.terminals.length}`
    const terminal = await this.#world.open(name, userId, seat % 2 === 1)
    this.terminals.push(terminal)
    return terminal
  }

  #joining(seat: number, channel: string, from: 'now' | 'since' | 'last'): Asked {
    const echo = seat % 2 === 1
    const since = from === 'since' ? this.#position(seat, channel) : undefined
    return { channel, echo, ...(since && { since }), ...(from === 'last' && { last: 5 }) }
  }

  /** The last place that anybody on a seat was told of, in whatever session. */
  #position(seat: number, channel: string): { epoch: string; seq: number } | undefined {
    let position: { epoch: string; seq: number } | undefined
    for (const { userId, entries } of this.terminals) {
      if (userId !== SEATS[seat]) continue
      for (const entry of entries) {
        if (entry.what !== 'answered' || entry.event !== 'channel:join' || !entry.answer.ok) continue
        const {
          channel: joined,
          epoch,
          head,
        } = entry.answer as unknown as { channel: string; epoch: string; head: number }
        if (joined === channel) position = { epoch, seq: head }
      }
    }
    return position
  }

  #fact(seat: number, channel: string, payload: Record<string, unknown>): Asked {
    return { channel, payload, operationId: `${this.#seats[seat]?.name} ${this.#said++}` }
  }

  #token(): string {
    return token(this.#said++)
  }

  #ask(seat: number, event: string, asked: Asked): Promise<Answer | undefined> {
    const answer = this.#seats[seat]?.ask(event, asked) ?? Promise.resolve(undefined)
    this.#await(answer)
    return answer
  }

  #await(answer: Promise<unknown>): void {
    this.#answers.add(answer)
    void answer.then(() => this.#answers.delete(answer))
  }

  async #answered(): Promise<void> {
    while (this.#answers.size > 0) await Promise.all(this.#answers)
  }
}

async function pause(how: 'at once' | 'go on' | 'turn' | 'ms' | 'answers'): Promise<void> {
  if (how === 'turn') await turn()
  if (how === 'ms') await wait(2)
}
