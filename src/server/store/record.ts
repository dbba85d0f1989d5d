/** Names a kept record: one of a kind within a scope, which is a channel's address mostly. */
export interface RecordKey {
  readonly scope: string
  readonly kind: string
  readonly id: string
}

/** Something that is kept beside the facts, as it stands: a message, a document, a member. Its room knows its shape. */
export interface KeptRecord extends RecordKey {
  /** Its place in its scope's order, mostly the seq of the fact that made it. */
  readonly seq: number
  /** Whose it is, where it is somebody's. */
  readonly owner: string | null
  /** Kept only to show that there was something. */
  readonly deleted: boolean
  readonly data: Readonly<Record<string, unknown>>
}

/** A record as it is to be from now on; without `data` it is no more. */
export type RecordWrite = KeptRecord | (RecordKey & { readonly data: null })

/** Reads one of the records that a rule named. */
export type ReadRecord = (key: RecordKey) => KeptRecord | undefined

/** Where a fact will stand in its channel's log. */
export interface Place {
  readonly epoch: string
  readonly seq: number
  readonly timestamp: number
}

/** What a rule makes of a fact. */
export interface Decided {
  /** What everybody is told. */
  readonly payload: Record<string, unknown>
  readonly writes: readonly RecordWrite[]
  /** Earlier facts of the channel that keep their place, but lose the text of a field, for whoever reads them from now on. */
  readonly withdraws?: { readonly field: string; readonly seqs: readonly number[] }
  /** What the reply says beside the place. */
  readonly result?: Readonly<Record<string, unknown>>
  /** It changes what somebody may do in the channel: whoever knows less is to ask again before they write. */
  readonly changesStanding?: true
}

/**
 * What else becomes of a fact, decided in the transaction that stores it, so that nothing comes in between. It sees what
 * the facts before it have written. It may be asked again when a transaction is tried again, and must not change anything.
 */
export interface Rule {
  readonly reads: readonly RecordKey[]
  /** @throws ConveneError of the catalogue: the fact is refused, and nothing of it is stored */
  decide(read: ReadRecord, place: Place): Decided
}

/** Records that change without a fact. */
export interface Change<T> {
  readonly reads: readonly RecordKey[]
  /** @throws ConveneError of the catalogue: nothing is written */
  decide(read: ReadRecord): { readonly writes: readonly RecordWrite[]; readonly result: T }
}

/** Records of a kind in a scope, by their place: the newest first, or the oldest. */
export interface RecordStretch {
  readonly scope: string
  readonly kind: string
  readonly before?: number | undefined
  readonly limit?: number | undefined
  readonly newest?: boolean | undefined
  /** Whose are left out. */
  readonly exceptOwners?: readonly string[] | undefined
}

/** Records of a kind that have an id, in whichever scopes: of one owner, or anybody's. */
export interface RecordsNamed {
  readonly kind: string
  readonly id: string
  readonly owner?: string | undefined
  readonly limit: number
}

/**
 * Records to be counted: `after < seq <= upTo`, not deleted, up to a limit. No more than the newest 5,000 of that range are
 * looked at, whosever they are, deleted or not, so that a count takes no longer however many there are.
 */
export interface RecordCount {
  readonly scope: string
  readonly kind: string
  readonly after: number
  readonly upTo: number
  readonly limit: number
  readonly exceptOwners?: readonly string[] | undefined
}
