import type { Channel, ConveneClient, ConveneError } from '../client/index.ts'

// By the client's own channel object: two clients share nothing, and what is let go of leaves nothing behind.
const joins = new WeakMap<Channel, SharedJoin>()

/** The one join that all components with a client's channel share. */
export function sharedJoin(client: ConveneClient, address: string): SharedJoin {
  const channel = client.channel(address)
  const shared = joins.get(channel) ?? new SharedJoin(client, channel)
  joins.set(channel, shared)
  return shared
}

/** A channel that is joined while at least one component holds it. */
export class SharedJoin {
  readonly channel: Channel
  readonly #client: ConveneClient
  readonly #listeners = new Set<() => void>()
  #holders = 0
  #stop: (() => void) | undefined
  #refusal: ConveneError | undefined

  constructor(client: ConveneClient, channel: Channel) {
    this.#client = client
    this.channel = channel
  }

  /** Why the server does not let this client in, as far as it said. */
  readonly refusal = (): ConveneError | undefined => this.#refusal

  readonly onRefusal = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Keeps the channel joined until the stop that it gives back is called. */
  hold(): () => void {
    this.#holders++
    if (!this.#stop) {
      // A join that came to nothing, because somebody was signed out, is asked for again with the next connection.
      this.#stop = this.#client.onState((state) => state === 'connected' && this.#join())
      this.#join()
    }
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#holders--
      // One component gone and another come in the same commit, or StrictMode's rehearsal, is no leaving.
      queueMicrotask(() => this.#holders === 0 && this.#leave())
    }
  }

  #join(): void {
    this.channel.join().then(
      () => this.#refuse(undefined),
      (error: ConveneError) => this.#stop && this.#refuse(error),
    )
  }

  #leave(): void {
    this.#stop?.()
    this.#stop = undefined
    this.#refuse(undefined)
    this.channel.leave()
  }

  #refuse(error: ConveneError | undefined): void {
    if (error === this.#refusal) return
    this.#refusal = error
    for (const listener of [...this.#listeners]) listener()
  }
}
