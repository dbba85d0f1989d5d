import type { Envelope } from '../../protocol/envelope.ts'
import type { ConveneError } from '../../protocol/errors.ts'
import { Delivery, type Outgoing, Signal, type Subscriber } from './delivery.ts'

// More at once would fill the queue of whoever reads as fast as they can.
const TURN_BYTES = 262_144
const TURN_SIGNALS = 32

/** How far a member's joining is: what goes out waits for it, or flows. */
type Flow = { readonly state: 'joining'; readonly held: Outgoing[] } | { readonly state: 'open' }

export interface Member {
  readonly subscriber: Subscriber
  /** Whether it is delivered its own facts as well. */
  echo: boolean
  /** The last seq it has been told of; nothing at or below is delivered again. Undefined until it has been let in. */
  position: number | undefined
  flow: Flow
  /** Why it was taken out. */
  left?: ConveneError
}

/** One channel that has members on this instance: who they are, and what goes out to them. */
export class Channel {
  readonly #members = new Map<string, Member>()
  /** Whose operation is on its way into the store, so that its author is left out wherever the fact comes back from. */
  readonly #origins = new Map<string, string>()
  readonly #delivered: (facts: number) => void
  readonly #facts: Delivery[] = []
  /** By what they replace: of one sender's cursors only the newest goes out. */
  #signals = new Map<unknown, Signal>()
  #flushing = false

  /** `delivered` is told how many facts were handed to sessions. */
  constructor(delivered: (facts: number) => void) {
    this.#delivered = delivered
  }

  /** Whether nobody is here, nor about to be. */
  get isEmpty(): boolean {
    return this.#members.size === 0
  }

  member(sessionId: string): Member | undefined {
    return this.#members.get(sessionId)
  }

  /** Who has been let in. */
  *subscribers(): Iterable<Subscriber> {
    for (const { subscriber, position } of this.#members.values()) if (position !== undefined) yield subscriber
  }

  /** A member from whom all is held back from this moment on, until `open`. Joining again keeps the position. */
  admit(subscriber: Subscriber, echo: boolean): Member {
    this.flush()
    const member = this.#members.get(subscriber.id)
    if (!member) {
      const flow: Flow = { state: 'joining', held: [] }
      const joining: Member = { subscriber, echo, position: undefined, flow }
      this.#members.set(subscriber.id, joining)
      return joining
    }
    if (member.flow.state === 'open') member.flow = { state: 'joining', held: [] }
    return member
  }

  /** Takes somebody out. A member that was just joining again is still owed the facts of until now. */
  remove(sessionId: string, why?: ConveneError): void {
    const member = this.#members.get(sessionId)
    if (!member) return
    if (why) member.left = why
    this.#members.delete(sessionId)
    if (member.flow.state === 'open' || member.position === undefined) return
    const { held } = member.flow
    member.flow = { state: 'open' }
    this.#pass(
      member,
      held.filter((event) => event instanceof Delivery),
    )
  }

  /**
   * Brings a joining member to `head`, the place its reply will tell. One that joins for the first time has what is
   * before it from the reply; one that joins again is still owed the facts that were held back, before the reply. What
   * else was held back is part of what the reply tells.
   */
  settle(member: Member, head: number, echo: boolean): void {
    this.flush()
    member.echo = echo
    if (member.flow.state === 'joining') {
      const held = member.flow.held.filter((event) => event instanceof Delivery)
      if (member.position !== undefined) {
        this.#pass(
          member,
          held.filter(({ fact }) => fact.seq <= head),
        )
      }
      member.flow = { state: 'joining', held: held.filter(({ fact }) => fact.seq > head) }
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

  /** Has everybody start over: what they know is of another log. */
  reset(): void {
    for (const { subscriber } of [...this.#members.values()]) subscriber.reset()
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
    this.#facts.push(new Delivery(fact, this.#origins.get(fact.operationId)))
    this.#origins.delete(fact.operationId)
    this.#flushSoon()
  }

  /** Puts a signal on the way out, behind the facts of this turn, in place of an earlier one that has the same `key`. */
  signal(signal: Signal, key: unknown): void {
    // Behind those that came meanwhile, as if the earlier one had been lost.
    this.#signals.delete(key)
    this.#signals.set(key, signal)
    const [oldest] = this.#signals.keys()
    if (this.#signals.size > TURN_SIGNALS) this.#signals.delete(oldest)
    this.#flushSoon()
  }

  /** Tells some of the members something that is neither fact nor signal. */
  tell(event: Outgoing, wanted: (subscriber: Subscriber) => boolean): void {
    for (const { subscriber, flow } of this.#members.values()) {
      if (!wanted(subscriber)) continue
      if (flow.state === 'joining') flow.held.push(event)
      else subscriber.deliver([event])
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#handOut(this.#turn())
      if (this.#facts.length > 0) this.#flushSoon()
    })
  }

  /** The facts of one turn: all there are, or of very much a part. */
  #turn(): Delivery[] {
    const [member] = this.#members.values()
    if (!member || this.#facts.length < 2) return this.#facts.splice(0)
    let bytes = 0
    const end = this.#facts.findIndex((fact, i) => {
      bytes += member.subscriber.measure(fact)
      return i > 0 && bytes > TURN_BYTES
    })
    return this.#facts.splice(0, end === -1 ? this.#facts.length : end)
  }

  /** Hands all facts and signals to every member. */
  flush(): void {
    this.#handOut(this.#facts.splice(0))
  }

  #handOut(facts: readonly Delivery[]): void {
    if (facts.length === 0 && this.#signals.size === 0) return
    const signals = this.#signals.values()
    this.#signals = new Map()
    const turn = [...facts, ...signals]
    for (const member of this.#members.values()) {
      if (member.flow.state === 'joining') member.flow.held.push(...facts)
      else this.#pass(member, turn)
    }
  }

  #pass(member: Member, events: readonly Outgoing[]): void {
    const { subscriber } = member
    // Before the facts of this turn count as waiting.
    const takesSignals = subscriber.ready
    const due: Outgoing[] = []
    let facts = 0
    for (const event of events) {
      if (event instanceof Delivery) {
        const form = formFor(member, event)
        if (!form) continue
        due.push(form)
        facts++
      } else if (!(event instanceof Signal) || (takesSignals && isDue(event, subscriber))) {
        due.push(event)
      }
    }
    if (due.length === 0) return
    subscriber.deliver(due)
    this.#delivered(facts)
  }
}

/** [SEQ3] Each fact once and in order, its author's own left out. Moves the member's position. */
function formFor(member: Member, delivery: Delivery): Outgoing | undefined {
  const { fact, origin } = delivery
  if (fact.seq <= (member.position ?? 0)) return undefined
  member.position = fact.seq
  if (!member.echo && origin === member.subscriber.id) return undefined
  return member.subscriber.hides(fact) ? delivery.hidden : delivery
}

/** [SIG1] Never back to the sender. */
function isDue({ from }: Signal, subscriber: Subscriber): boolean {
  return from.sessionId !== subscriber.id && !subscriber.hidesSignalsOf(from.userId)
}
