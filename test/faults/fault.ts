import type { Cluster } from './cluster.ts'
import type { Crowd } from './crowd.ts'
import type { Random } from './random.ts'
import type { Saying } from './surroundings.ts'

export interface Scene {
  readonly cluster: Cluster
  readonly crowd: Crowd
  readonly random: Random
}

/** A fault that has been done. */
export interface Injected {
  /** Takes it back. */
  heal(): Promise<void>
  /** What nodes have to say of themselves while it lasts. */
  readonly says?: Saying
}

/** Something that goes wrong. */
export interface Fault {
  /** As in the fault catalogue. */
  readonly id: string
  readonly title: string
  /** How long it lasts, ms. */
  readonly lastsMs: number
  /** Whether everybody goes on seeing everything while it lasts. */
  readonly isSeenThrough: boolean
  /** Whether nobody publishes any more before it is healed. */
  readonly endsQuiet?: boolean
  /** Whether each fact is sent again after its reply, by another connection of its author. */
  readonly sendsTwice?: boolean
  inject(scene: Scene): Promise<Injected>
}
