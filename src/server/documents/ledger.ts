import type { KeptRecord, RecordKey } from '../store/record.ts'
import { LAYOUT } from './document.ts'

/** What a channel knows of its documents together. */
export interface Ledger {
  /** What they take in a list. */
  readonly bytes: number
  /** The versions in which documents were deleted, the newest last: a document of the same name goes on from there. */
  readonly deleted: readonly (readonly [id: string, version: number])[]
  /** No document that is neither there nor in `deleted` ever had a version beyond this. */
  readonly retired: number
}

/** Deleted documents whose own last version is known. */
export const DELETED_KEPT = 500

export function ledgerKey(channel: string): RecordKey {
  return { scope: channel, kind: 'documents', id: 'all' }
}

export function ledgerOf(record: KeptRecord | undefined): Ledger {
  return record ? (record.data as unknown as Ledger) : { bytes: 0, deleted: [], retired: 0 }
}

/** The version a document that is not there had last; 0 if it never was. A layout is never deleted. */
export function lastVersion(ledger: Ledger, id: string): number {
  if (id === LAYOUT) return 0
  return ledger.deleted.find(([known]) => known === id)?.[1] ?? ledger.retired
}

/** The ledger after a document was deleted, in that version. It stays listed should it be made anew. */
export function buried(ledger: Ledger, id: string, version: number): Ledger {
  const all = [...ledger.deleted.filter(([known]) => known !== id), [id, version] as const]
  const dropped = all.slice(0, Math.max(0, all.length - DELETED_KEPT))
  return {
    ...ledger,
    deleted: all.slice(dropped.length),
    retired: Math.max(ledger.retired, ...dropped.map(([, last]) => last)),
  }
}
