import type { Envelope } from '../../protocol/envelope.ts'

/**
 * The other instances. Facts told here are already stored: whatever is lost on the way is found again
 * from the store, so nothing is awaited but a subscription.
 */
export interface Cluster {
  /** Resolves when facts of the channel told by other instances from now on will arrive. */
  subscribe(channel: string): Promise<void>
  unsubscribe(channel: string): void
  /** Tells the instances that have members of the fact's channel. */
  publish(fact: Envelope): void
  close(): Promise<void>
}
