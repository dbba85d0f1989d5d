import type { KeptDocument } from '../../protocol/documents.ts'
import type { KeptRecord, RecordKey } from '../store/record.ts'
import { type Document, dataOf, LAYOUT } from './document.ts'

export const DOCUMENT_KIND = 'document'

/** What is kept of a document: what everybody sees, and what its next writers are measured by. */
interface KeptData extends Omit<KeptDocument, 'id'> {
  readonly since: number
  readonly changed: Readonly<Record<string, number>>
  readonly forgotten: number
  /** What it takes in a list. */
  readonly bytes: number
}

export function documentKey(channel: string, id: string): RecordKey {
  return { scope: channel, kind: DOCUMENT_KIND, id }
}

export function recordOf(
  document: Document,
  kept: KeptDocument,
  place: { readonly channel: string; readonly seq: number; readonly bytes: number },
): KeptRecord {
  const { since, changed, forgotten } = document
  const { id, ...seen } = kept
  const data: KeptData = { ...seen, since, changed: Object.fromEntries(changed), forgotten, bytes: place.bytes }
  return { ...documentKey(place.channel, id), seq: place.seq, owner: null, deleted: false, data: { ...data } }
}

export function documentOf(record: KeptRecord): Document {
  const { data, version, since, changed, forgotten } = dataIn(record)
  const fields = record.id === LAYOUT ? [[LAYOUT, data] as const] : Object.entries(data)
  const { id } = record
  return {
    id,
    exists: true,
    version,
    since,
    fields: new Map(fields),
    changed: new Map(Object.entries(changed)),
    forgotten,
  }
}

/** A document as everybody sees it. */
export function keptDocumentOf(record: KeptRecord): KeptDocument {
  const { data, version, updatedAt, updatedBy } = dataIn(record)
  return { id: record.id, data, version, updatedAt, updatedBy }
}

export function bytesOf(record: KeptRecord | undefined): number {
  return record ? dataIn(record).bytes : 0
}

export function seen(document: Document, updatedAt: number, updatedBy: string | null): KeptDocument {
  return { id: document.id, data: dataOf(document), version: document.version, updatedAt, updatedBy }
}

// Only this file writes such records.
function dataIn(record: KeptRecord): KeptData {
  return record.data as unknown as KeptData
}
