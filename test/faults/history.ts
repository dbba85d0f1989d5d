/** What a virtual member did or saw on a channel. */
export type Happening =
  | { readonly kind: 'invoke'; readonly operationId: string }
  /** It was acknowledged. */
  | { readonly kind: 'ok'; readonly operationId: string; readonly epoch: string; readonly seq: number }
  /** It was refused for good, at every try. */
  | { readonly kind: 'fail'; readonly operationId: string; readonly code: string }
  /** A try was not answered: it happened, or it did not. */
  | { readonly kind: 'info'; readonly operationId: string; readonly why: string }
  | {
      readonly kind: 'joined'
      readonly node: string
      readonly epoch: string
      readonly head: number
      /** The seq it came back with; undefined the first time. */
      readonly since: number | undefined
      /** How many facts the reply brought. */
      readonly events: number
      /** Why it was given nothing of what it had missed. */
      readonly reset?: string | undefined
    }
  | {
      readonly kind: 'recv'
      readonly epoch: string
      readonly seq: number
      readonly operationId: string
      readonly how: 'live' | 'caught up'
    }
  | { readonly kind: 'left'; readonly why: string }

/** One line of a history. `at` is ms of one clock, this process's. */
export type Entry = Happening & {
  readonly at: number
  readonly client: string
  readonly userId: string
  readonly channel: string
}

/** What all virtual members did and saw, in the order it happened. */
export class History {
  readonly entries: Entry[] = []

  note(
    { client, userId }: { readonly client: string; readonly userId: string },
    channel: string,
    happening: Happening,
  ): void {
    this.entries.push({ ...happening, client, userId, channel, at: performance.now() })
  }
}
