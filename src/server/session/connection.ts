import type { ConveneError } from '../../protocol/errors.ts'

/** An event on its way out; `as` makes each wire form once, however many connections take it. */
export interface Outgoing {
  readonly event: string
  readonly body: unknown
  /** Of a signal: whose it is. */
  readonly from?:
    | { readonly sessionId: string; readonly userId: string; readonly name?: string | undefined }
    | undefined
  as<Form>(encode: (event: string, body: unknown, from?: Outgoing['from']) => Form): Form
}

/** One pipe to one client, as every transport gives it. Nothing here throws; a closed one ignores what comes. */
export interface Connection {
  readonly id: string
  /** The client's address, as far as the proxies in front are believed. */
  readonly address: string
  /** How its client counts who is here: each person once, or, as older families do, each of their sessions. */
  readonly counts: 'people' | 'sessions'
  /** Whether its client is of an older family, whose dialect may ask for more than the protocol's events. */
  readonly older: boolean
  /** False from the moment on which nothing more is sent: what is told after it would be told to nobody. */
  readonly open: boolean
  /** Whether hardly anything waits for the client: what may be lost is sent only then. */
  readonly ready: boolean
  /** Resolves when so little waits for the client that a large reply fits as well, or when it is gone. */
  drained(): Promise<void>
  /** Bytes that an event takes on its way to this client; made once, as the event itself is. */
  measure(event: Outgoing): number
  /** Emits something that is meant for this client alone. */
  send(event: string, body: unknown): void
  /** Emits what others get as well. */
  deliver(events: readonly Outgoing[]): void
  /** The session became, or is no longer, a member of a channel. */
  entered(channel: string): void
  exited(channel: string): void
  /** Says why and closes: so that the client comes back by itself when the error is retryable, and stays away when not. */
  close(reason: ConveneError): void
  /** Closes so that the client comes back by itself, without a word. */
  reset(): void
  /** Lets go of the client at once: nothing that waits for it is sent any more. */
  cut(): void
}
