import type { Envelope } from '../../protocol/envelope.ts'
import { Delivery, type Subscriber } from './delivery.ts'

/** How far a member's joining is: facts wait for it, or flow. */
type Flow = { readonly state: 'joining'; readonly held: Delivery[] } | { readonly state: 'open' }

export interface Member {
  readonly subscriber: Subscriber
  /** Whether it is delivered its own facts as well. */
  echo: boolean
  /** The last seq it has been told of; nothing at or below is delivered again. */
  position: number | undefined
  flow: Flow
}

/** One channel that has members on this instance: who they are, and what goes out to them. */
export class Channel {
  readonly #members = new Map<string, Member>()
  /** Whose operation is on its way into the store, so that its author is left out wherever the fact comes back from. */
  readonly #origins = new Map<string, string>()
  readonly #delivered: (facts: number) => void
  #outgoing: Delivery[] = []
  #flushing = false

  /** `delivered` is told how many facts were handed to sessions. */
  constructor(delivered: (facts: number) => void) {
    this.#delivered = delivered
  }

  get size(): number {
    return this.#members.size
  }

  member(sessionId: string): Member | undefined {
    return this.#members.get(sessionId)
  }

  subscribers(): Subscriber[] {
    return Array.from(this.#members.values(), ({ subscriber }) => subscriber)
  }

  /** A member from whom facts are held back from this moment on, until `open`. Joining again keeps the position. */
  admit(subscriber: Subscriber, echo: boolean): Member {
    this.flush()
    const member = this.#members.get(subscriber.id)
    if (!member) {
      const joining: Member = { subscriber, echo, position: undefined, flow: { state: 'joining', held: [] } }
      this.#members.set(subscriber.id, joining)
      return joining
    }
    member.echo = echo
    if (member.flow.state === 'open') member.flow = { state: 'joining', held: [] }
    return member
  }

  remove(sessionId: string): boolean {
    return this.#members.delete(sessionId)
  }

  /**
   * Brings a joining member to `head`, the place its reply will tell. One that joins for the first time has what is
   * before it from the reply; one that joins again is still owed what was held back, before the reply.
   */
  settle(member: Member, head: number): void {
    this.flush()
    if (member.position !== undefined && member.flow.state === 'joining') {
      const owed = member.flow.held.filter(({ fact }) => fact.seq <= head)
      this.#pass(member, owed)
    }
    member.position = Math.max(member.position ?? 0, head)
  }

  /** Lets flow what came after the member's position. To be called when its reply has been sent. */
  open(member: Member): void {
    this.flush()
    if (member.flow.state === 'open') return
    const { held } = member.flow
    member.flow = { state: 'open' }
    this.#pass(member, held)
  }

  /** Whose operation this is, from now until its fact goes out. False when it is somebody's already. */
  publishing(operationId: string, sessionId: string): boolean {
    if (this.#origins.has(operationId)) return false
    this.#origins.set(operationId, sessionId)
    return true
  }

  /** Of an operation that came to nothing, or that was stored before. */
  forget(operationId: string): void {
    this.#origins.delete(operationId)
  }

  /** Puts a fact on the way out, with the others of this turn of the event loop. */
  push(fact: Envelope): void {
    this.#outgoing.push(new Delivery(fact, this.#origins.get(fact.operationId)))
    this.#origins.delete(fact.operationId)
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => this.flush())
  }

  /** Hands the turn's facts to every member. */
  flush(): void {
    this.#flushing = false
    if (this.#outgoing.length === 0) return
    const turn = this.#outgoing
    this.#outgoing = []
    for (const member of this.#members.values()) {
      if (member.flow.state === 'joining') member.flow.held.push(...turn)
      else this.#pass(member, turn)
    }
  }

  /** [SEQ3] Each fact once and in order, its author's own left out. */
  #pass(member: Member, deliveries: readonly Delivery[]): void {
    const { subscriber, echo } = member
    const last = deliveries.at(-1)
    if (!last) return
    const position = member.position ?? 0
    const due = deliveries.filter(({ fact, origin }) => fact.seq > position && (echo || origin !== subscriber.id))
    member.position = Math.max(position, last.fact.seq)
    if (due.length === 0) return
    subscriber.deliver(due)
    this.#delivered(due.length)
  }
}
