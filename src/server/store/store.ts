import type { Author, Envelope } from '../../protocol/envelope.ts'
import type { Change, KeptRecord, RecordCount, RecordKey, RecordStretch, RecordsNamed, Rule } from './record.ts'

/** A fact before it has a place in its channel's log. */
export interface FactDraft {
  readonly channel: string
  readonly type: string
  readonly operationId: string
  readonly user: Author | null
  readonly payload: Record<string, unknown>
  /** When it happened, in ms since 1970; the moment of storing unless given. */
  readonly timestamp?: number | undefined
  /** The version its payload is based on, where that matters. */
  readonly baseVersion?: number | undefined
  /** What else becomes of it; without one it is stored as it is. */
  readonly rule?: Rule | undefined
  /** The place in the log up to which it is known what its author may do; none: whatever came last, it may be stored. */
  readonly standing?: number | undefined
  /** The record that says what its author may do; without one any change in the channel counts. */
  readonly stands?: RecordKey | undefined
}

/** Who may do what in a channel has changed since the author's right was looked up: it is to be looked up again. */
export class StandingChanged extends Error {
  /** Where it changed last. */
  readonly seq: number

  constructor(seq: number) {
    super(`who may do what was changed by fact ${seq}`)
    this.seq = seq
  }
}

/** Where a fact stands in its channel's log. `duplicate`: it stood there before. */
export interface Stored {
  readonly epoch: string
  readonly seq: number
  readonly timestamp: number
  readonly duplicate: boolean
  /** What everybody is told. */
  readonly payload: Record<string, unknown>
  /** How much that is, about, as JSON. */
  readonly bytes: number
  /** What the reply says beside the place. */
  readonly result?: Readonly<Record<string, unknown>> | undefined
}

/** Which log, and its last seq (0 when empty). */
export interface LogHead {
  readonly epoch: string
  readonly head: number
}

/** A channel's log in one line: its head, and the oldest seq that is still held. */
export interface LogState extends LogHead {
  readonly floor: number
}

/**
 * A stretch of a log: `after < seq < before`, the first `limit` of it, or the last when `newest`. With `maxBytes` whoever
 * writes large facts makes it neither slow to read nor too large for the outbox.
 */
export interface Stretch {
  readonly after?: number | undefined
  readonly before?: number | undefined
  readonly limit: number
  readonly newest?: boolean | undefined
  /** Of it only what fits into so many bytes of JSON, about, and at least one. */
  readonly maxBytes?: number | undefined
}

/**
 * What is kept. The only authority on order: a fact's seq is given in the transaction that stores it.
 * Calls take effect in the order they were made: a read sees every append called before it.
 * When the database cannot be reached, calls fail with the error `unavailable`.
 */
export interface Store {
  /** Whether other processes may write to it, so that its heads move without this one. */
  readonly shared: boolean
  /**
   * Stores a fact once [OP1] and numbers it [SEQ1], with all that its rule writes, or none of it; resolved means
   * durable [SEQ2].
   * @throws ConveneError `operation_mismatch` [OP2], `unavailable`, what its rule throws
   * @throws StandingChanged [FACT2]
   */
  append(draft: FactDraft): Promise<Stored>
  /** A channel's log, begun if there is none yet: a position is usable even where nothing has happened [JOIN3]. */
  open(channel: string): Promise<LogState>
  /** A channel's last seq; 0 when it has no log. Begins none. */
  head(channel: string): Promise<number>
  /** The heads of many logs in one question; channels that have no log are left out. Begins none. */
  heads(channels: readonly string[]): Promise<ReadonlyMap<string, LogHead>>
  /** Facts of a log, oldest first. */
  read(channel: string, stretch: Stretch): Promise<Envelope[]>
  /**
   * Changes records without a fact, in one transaction.
   * @throws ConveneError `unavailable`, what the change throws
   */
  change<T>(change: Change<T>): Promise<T>
  record(key: RecordKey): Promise<KeptRecord | undefined>
  /** Records in the order of their place. */
  records(stretch: RecordStretch): Promise<KeptRecord[]>
  /** Records by their id alone, in the order of their scopes. */
  recordsNamed(wanted: RecordsNamed): Promise<KeptRecord[]>
  /** All records of a kind in a channel, as they are after the fact `head`. Begins the log if there is none. */
  snapshot(channel: string, kind: string): Promise<LogState & { readonly records: KeptRecord[] }>
  count(wanted: RecordCount): Promise<number>
  /** Lets go of facts that are both beyond the number and older than the days to keep [SEQ6]. Resolves to how many. */
  trim(): Promise<number>
  /** Resolves when the database answers. */
  ping(): Promise<void>
  /** Stores what is still waiting, then lets the database go. */
  close(): Promise<void>
}
