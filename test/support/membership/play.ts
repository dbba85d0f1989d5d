import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { token } from './log.ts'
import { CHANNELS, type Deed, type Pause, PEOPLE, type Program, SEATS } from './program.ts'
import type { Asked, Terminal, World } from './terminal.ts'

/** Everybody's sessions in a world, those that ended as well, doing what a program says. */
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

  /** Makes everybody an editor everywhere, and has them there. */
  async begin(): Promise<void> {
    const roles = [['root', 'admin'], ...PEOPLE.map((userId) => [userId, 'editor'])]
    for (const channel of CHANNELS) {
      for (const [userId, role] of roles) {
        await this.#world.publish(channel, { type: 'member:added', payload: { userId, role } })
      }
    }
    for (const seat of SEATS.keys()) {
      await this.#sit(seat)
      for (const channel of CHANNELS) this.#send(seat, 'channel:join', this.#joining(seat, channel, 'now'))
    }
    await this.#answered()
  }

  async run(bursts: Program): Promise<void> {
    for (const { deeds, next } of bursts) {
      for (const deed of deeds) {
        await this.#pause(deed.after)
        await this.#do(deed)
      }
      await this.#pause(next)
    }
    await this.#answered()
  }

  async #do({ does, seat, channel, from, n, someone, role, byServer }: Deed): Promise<void> {
    const send = (event: string, asked: Asked) => this.#send(seat, event, asked)
    const fact = (payload: Record<string, unknown>) => this.#fact(seat, channel, payload)
    const move = () => ({ type: 'task:move', ...fact({ text: this.#token() }) })
    const set = (type: string, payload: Record<string, unknown>) => this.#set(channel, type, payload, byServer)

    if (does === 'reconnect') {
      this.#seats[seat]?.close()
      await this.#sit(seat)
    }
    if (does === 'join' || does === 'reconnect') send('channel:join', this.#joining(seat, channel, from))
    if (does === 'leave') send('channel:leave', { channel })
    if (does === 'update') send('task:update', fact({ text: this.#token() }))
    if (does === 'sync') send('sync', { operations: [move(), move()] })
    if (does === 'say') {
      const id = `m${this.#said}`
      this.#messages.push(id)
      send('message:send', fact({ id, content: this.#token() }))
    }
    if (does === 'edit') {
      send('message:edit', fact({ messageId: this.#messages.at(-1 - n) ?? 'none', content: this.#token() }))
    }
    if (does === 'write') {
      const body = fact({ widgetId: 'w1', data: { text: this.#token() } })
      send('widget:update', { ...body, ...(n > 0 && { baseVersion: n }) })
    }
    if (does === 'signal') {
      send('typing', { channel, isTyping: true })
      send('signal', { channel, name: 'wave', payload: {} })
      send('presence:update', { channel, state: { said: this.#said++ } })
    }
    if (does === 'history') send('channel:history', { channel })
    if (does === 'messages') send('message:list', { channel })
    if (does === 'documents') send('document:list', { channel })
    if (does === 'refresh') send('auth:refresh', { token: this.#world.tokenFor(SEATS[seat] as string) })
    if (does === 'add') set('member:added', { userId: someone, role })
    if (does === 'change') set('member:changed', { userId: someone, role })
    if (does === 'remove') set('member:removed', { userId: someone })
  }

  #set(channel: string, type: string, payload: Record<string, unknown>, byServer: boolean): void {
    if (byServer) this.#expect(this.#world.publish(channel, { type, payload }).catch(() => undefined))
    else this.#send(0, type, this.#fact(0, channel, payload))
  }

  /** A new session on a seat. */
  async #sit(seat: number): Promise<void> {
    const userId = SEATS[seat] as string
    const terminal = await this.#world.open(`${userId}-${this.terminals.length}`, userId, seat % 2 === 1)
    this.terminals.push(terminal)
    this.#seats[seat] = terminal
  }

  #joining(seat: number, channel: string, from: Deed['from']): Asked {
    const since = from === 'since' ? this.#position(seat, channel) : undefined
    return {
      channel,
      echo: this.#seats[seat]?.echo,
      ...(since && { since }),
      ...(from === 'last' && { last: 5 }),
    }
  }

  /** Where the last join of somebody's sessions was answered. */
  #position(seat: number, channel: string): { epoch: string; seq: number } | undefined {
    const theirs = this.terminals.filter(({ userId }) => userId === SEATS[seat])
    const joins = theirs.flatMap(({ entries }) =>
      entries.flatMap((entry) =>
        entry.what === 'answered' && entry.event === 'channel:join' && entry.answer.ok ? [entry.answer] : [],
      ),
    )
    const last = joins.findLast((join) => join.channel === channel)
    return last && { epoch: String(last.epoch), seq: Number(last.head) }
  }

  #fact(seat: number, channel: string, payload: Record<string, unknown>): Asked {
    return { channel, payload, operationId: `${this.#seats[seat]?.name} ${this.#said++}` }
  }

  #token(): string {
    return token(this.#said++)
  }

  #send(seat: number, event: string, asked: Asked): void {
    const answer = this.#seats[seat]?.ask(event, asked)
    if (answer) this.#expect(answer)
  }

  #expect(answer: Promise<unknown>): void {
    this.#answers.add(answer)
    void answer.then(() => this.#answers.delete(answer))
  }

  async #answered(): Promise<void> {
    while (this.#answers.size > 0) await Promise.all(this.#answers)
  }

  async #pause(until: Pause): Promise<void> {
    if (until === 'a turn') await turn()
    if (until === 'a moment') await wait(2)
    if (until === 'the answers') await this.#answered()
  }
}
