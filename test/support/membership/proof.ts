import { isDeepStrictEqual } from 'node:util'
import type { Envelope } from '../../../src/protocol/envelope.ts'
import type { JoinReply } from '../../../src/protocol/session.ts'
import { type Log, tokensIn } from './log.ts'
import type { Asked, Entry, Terminal } from './terminal.ts'

/** A membership of a session: from where its join's reply told of the log, to where it ended. */
interface Stay {
  readonly from: number
  /** The seq up to which it has been told everything. */
  told: number
  open: boolean
}

/**
 * Reads all that a session was told of one channel, in the order in which it was, against the channel's log: [FACT3] no
 * membership tells of what is after a removal that came after its beginning; [SEQ3] [JOIN5] all else it tells, once and
 * in order.
 */
export class Proof {
  readonly faults: string[] = []
  readonly #terminal: Terminal
  readonly #channel: string
  readonly #log: Log
  #stay: Stay | undefined
  /** Joins and refreshes under way: what asks anew may hear of a removal before the removal itself is told. */
  #asking = 0

  constructor(terminal: Terminal, channel: string, log: Log) {
    this.#terminal = terminal
    this.#channel = channel
    this.#log = log
    for (const entry of terminal.entries) this.#read(entry)
  }

  /** Whether it is a member as far as it was told. */
  get isMember(): boolean {
    return this.#stay?.open === true && this.#terminal.isOpen
  }

  /** What it was not told that it should have been by now. */
  get missing(): string[] {
    const { userId } = this.#terminal
    if (!this.isMember || !this.#stay) return []
    const removal = this.#log.removalAfter(this.#stay.from, userId)
    if (removal !== undefined) return [this.#fault(`was never put out after its removal at ${removal}`)]
    const owed = this.#owed(this.#log.head)
    return owed.length > 0 ? [this.#fault(`was never told ${owed}`)] : []
  }

  #read(entry: Entry): void {
    if (entry.what !== 'told' && asksAnew(entry, this.#channel)) this.#asking += entry.what === 'asked' ? 1 : -1
    if (entry.what === 'asked') return
    if (entry.what === 'told') {
      const { event, body } = entry
      if (body?.channel !== this.#channel) return
      if (event === 'channel:left') this.#left(String(body.reason))
      else if ('seq' in body && event !== 'message:read') this.#fact(event, body as unknown as Envelope)
      else this.#other(event)
      this.#content(event, body)
      return
    }
    const { event, asked, answer } = entry
    if (answer.ok && asked.channel === this.#channel) {
      if (event === 'channel:join') this.#joined(asked.since?.seq, answer as unknown as JoinReply)
      if (event === 'channel:leave' && this.#stay) this.#stay.open = false
      if (event === 'channel:history') this.#history(answer.events as Envelope[], Number(answer.head))
      if (event === 'document:list') this.#atMost(event, Number(answer.head))
    }
    // A sync is about any channel; whose a token is, it says itself.
    this.#content(`the answer to ${event}`, answer)
  }

  #joined(since: number | undefined, { head, role, events, recovered }: JoinReply): void {
    // A change that took effect after the head was read may be in the reply already.
    const roles = this.#log.rolesFrom(this.#terminal.userId, head)
    if (roles[0] === null || !roles.includes(role)) this.#say(`joined at ${head} as ${role}; from there it is ${roles}`)
    if (this.#stay?.open) {
      const owed = this.#owed(head)
      if (this.#stay.told > head) this.#say(`was told ${this.#stay.told} before the reply that tells ${head}`)
      if (owed.length > 0) this.#say(`was not told ${owed} before the reply that tells ${head}`)
    }
    const first = since !== undefined && recovered ? since : head - events.length
    this.#isLog(`the join's reply at ${head}`, events as Envelope[], first, head)
    this.#stay = { from: head, told: head, open: true }
  }

  #fact(event: string, fact: Envelope): void {
    const { seq } = fact
    const stay = this.#stay
    if (!stay?.open) {
      this.#say(`was told ${event} ${seq} while it was no member`)
      return
    }
    this.#atMost(event, seq)
    if (!isDeepStrictEqual(fact, this.#log.facts[seq - 1])) this.#say(`was told of ${seq} what is not in the log`)
    if (seq <= stay.told) this.#say(`was told ${seq} after ${stay.told}`)
    else if (this.#owed(seq - 1).length > 0) this.#say(`was told ${seq} without ${this.#owed(seq - 1)}`)
    if (this.#isOwn(fact) && !this.#terminal.echo) this.#say(`was told ${seq}, its own`)
    stay.told = Math.max(stay.told, seq)
  }

  #history(events: readonly Envelope[], head: number): void {
    this.#atMost('a history', head)
    const first = events[0]?.seq ?? 1
    this.#isLog('a history', events, first - 1, first - 1 + events.length)
  }

  /** Presence, typing, cursors and whatever else there is: of members, to members. */
  #other(event: string): void {
    const stay = this.#stay
    if (!stay?.open) this.#say(`was told ${event} while it was no member`)
    else {
      const removal = this.#log.removalAfter(stay.from, this.#terminal.userId, stay.told + 1)
      if (removal !== undefined) this.#say(`was told ${event} after its removal at ${removal}`)
    }
  }

  #left(reason: string): void {
    const stay = this.#stay
    if (!stay?.open) {
      this.#say(`was put out (${reason}) while it was no member`)
      return
    }
    stay.open = false
    const removal = this.#log.removalAfter(stay.from, this.#terminal.userId)
    if (removal === undefined) this.#say(`was put out (${reason}) without a removal`)
    else if (this.#asking > 0) return
    else if (reason !== 'removed') this.#say(`was put out: ${reason}`)
    else if (this.#owed(removal).length > 0) this.#say(`was put out at ${removal}, not told ${this.#owed(removal)}`)
  }

  /** Content that turns up anywhere, in a document, a message or an error. */
  #content(where: string, said: unknown): void {
    for (const token of tokensIn(said)) {
      const place = this.#log.placeOf(token)
      if (place !== undefined && !this.#log.facts[place - 1]?.operationId.startsWith(`${this.#terminal.name} `)) {
        this.#atMost(`${token} in ${where}`, place)
      }
    }
  }

  /** [FACT3] */
  #atMost(what: string, seq: number): void {
    const { userId } = this.#terminal
    if (!this.#stay) {
      this.#say(`was told of ${seq} (${what}) and was never a member`)
      return
    }
    const { from } = this.#stay
    const removal = this.#log.removalAfter(from, userId, seq)
    if (removal !== undefined) {
      this.#say(`was told of ${seq} (${what}) by a membership that began at ${from} and ended at ${removal}`)
    }
  }

  #isLog(where: string, events: readonly Envelope[], after: number, upTo: number): void {
    const expected = this.#log.facts.slice(after, upTo)
    if (!isDeepStrictEqual(events, expected)) {
      this.#say(`was given ${events.map(({ seq }) => seq)} in ${where}, and not ${after} to ${upTo} as they are`)
    }
  }

  #owed(upTo: number): number[] {
    const facts = this.#log.facts.slice(this.#stay?.told ?? upTo, upTo)
    return facts.filter((fact) => this.#terminal.echo || !this.#isOwn(fact)).map(({ seq }) => seq)
  }

  #isOwn({ operationId }: Envelope): boolean {
    return operationId.startsWith(`${this.#terminal.name} `)
  }

  #say(fault: string): void {
    this.faults.push(this.#fault(fault))
  }

  #fault(fault: string): string {
    return `${this.#terminal.name} in ${this.#channel} ${fault}`
  }
}

function asksAnew({ event, asked }: { event: string; asked: Asked }, channel: string): boolean {
  return event === 'auth:refresh' || (event === 'channel:join' && asked.channel === channel)
}
