import type { Entry } from './history.ts'

/** A fact as the database has it. */
export interface LogRow {
  readonly channel: string
  readonly epoch: string
  readonly seq: number
  readonly type: string
  readonly operationId: string
  /** Its author; null is a server. */
  readonly userId: string | null
  readonly payload: Readonly<Record<string, unknown>>
}

/** Somebody who is a member at the end, and so has to have everything. */
export interface Present {
  readonly client: string
  readonly channel: string
}

/** A process of the run: one life of a node. */
export interface ProcessLife {
  readonly node: string
  /** The signal or exit code it ended with; undefined while it runs. */
  readonly ended: string | number | undefined
  /** Whether the run ended it. */
  readonly wanted: boolean
  readonly output: string
}

/** How soon a node's /readyz said what was the case. */
export interface HealthFinding {
  readonly node: string
  readonly expected: string
  /** Undefined: not within the time it had. */
  readonly afterMs: number | undefined
  readonly withinMs: number
}

/** What a node takes, before and after. */
export interface Footprint {
  readonly node: string
  readonly what: string
  readonly before: number
  readonly after: number
  readonly most: number
}

/** All that is known of a run when it is over. */
export interface Evidence {
  readonly history: readonly Entry[]
  readonly log: readonly LogRow[]
  readonly present: readonly Present[]
  readonly processes?: readonly ProcessLife[]
  readonly health?: readonly HealthFinding[]
  readonly footprints?: readonly Footprint[]
}

export type Damage = 'lost' | 'doubled' | 'reordered' | 'ghost' | 'leaked' | 'unbounded' | 'crashed' | 'dishonest'

/** A promise that was not kept. */
export interface Violation {
  /** As in the fault catalogue, `I1` to `I8`; what is lost after the store was killed is I1 as well (I9). */
  readonly invariant: string
  readonly damage: Damage
  readonly what: string
}
