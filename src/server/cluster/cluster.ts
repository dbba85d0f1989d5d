import type { ClusterMessage } from './message.ts'

/** `off`: there are no other instances. `degraded`: they are not reached, and nothing told now arrives. */
export type ClusterHealth = 'off' | 'ok' | 'degraded'

/** What comes from the other instances. None of it may throw. */
export interface ClusterListener {
  /** A message for a channel that is subscribed, of another instance. */
  received(message: ClusterMessage): void
  /** Messages may have been lost: this instance was away and is back, or another one was and could not tell all. */
  restored(): void
  /** The lease of another instance has ended: what it showed counts no more. */
  expired(node: string): void
}

/**
 * The other instances. What is told here may be lost on the way, and nothing waits for it: facts are in the store, where
 * they are found again; the rest is shown under a lease, or may be lost. No call rejects or throws for the connection's sake.
 */
export interface Cluster {
  /** This life of this instance, another one after each start. */
  readonly node: string
  readonly health: ClusterHealth
  readonly leases: Leases
  /**
   * Resolves when messages of the channel told by other instances from now on will arrive. While they are not reached it
   * resolves as well: then `restored` is to come. Each call is undone by one of `unsubscribe`.
   */
  subscribe(channel: string): Promise<void>
  unsubscribe(channel: string): void
  /** Tells the other instances that are subscribed to the message's channel. */
  tell(message: ClusterMessage): void
  /** Takes back what this instance shows, then lets go. */
  close(): Promise<void>
}

/** Something that an instance shows, by its name in a scope. */
export interface Entry {
  readonly node: string
  readonly key: string
  readonly value: unknown
}

/**
 * What each instance shows the others for as long as it lives: it keeps a lease, and who does not any more is forgotten.
 * What is shown before a message is told can be read by whoever gets the message. After an outage, or when all was lost,
 * everything is shown again.
 */
export interface Leases {
  /** Shows an entry of this instance; one of the same name is replaced. `value` is JSON. */
  show(scope: string, key: string, value: unknown): void
  hide(scope: string, key: string): void
  /**
   * What living instances show in a scope, this one's own included.
   * @throws Error while the others are not reached
   */
  read(scope: string): Promise<Entry[]>
}
