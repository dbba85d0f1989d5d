import { isDeepStrictEqual } from 'node:util'

/** A document as its writers meet it; one that is not there has the version it was deleted in, 0 if it never was. */
export interface Document {
  readonly id: string
  readonly exists: boolean
  readonly version: number
  /** The version in which it came to be, or ceased to be. */
  readonly since: number
  /** A layout is one field, `layout`, since it is replaced and conflicts as a whole. */
  readonly fields: Fields
  /** The version in which each field changed last: those that are there, and the newest of those that are not. */
  readonly changed: ReadonlyMap<string, number>
  /** No field that is missing in `changed` has changed after this version. */
  readonly forgotten: number
}

/** A document while a fact changes it: one copy of it, however many operations write it. */
export interface Draft extends Document {
  exists: boolean
  version: number
  since: number
  fields: Map<string, unknown>
  changed: Map<string, number>
  forgotten: number
}

/** Fields and their values. Not an object: a field may be called `__proto__`. In a write, null removes a field. */
export type Fields = ReadonlyMap<string, unknown>

/** The id of a channel's layout. */
export const LAYOUT = 'layout'
const WIDGET = 'widget:'

export function documentOfWidget(widgetId: string): string {
  return WIDGET + widgetId
}

export function widgetOfDocument(documentId: string): string {
  return documentId.slice(WIDGET.length)
}

/** Removed fields of which a document knows when that was, and characters of their names: a name may be long. */
export const REMOVED_KEPT = 200
const REMOVED_KEPT_CHARS = 8192

export function absent(id: string, version: number): Draft {
  return { id, exists: false, version, since: version, fields: new Map(), changed: new Map(), forgotten: version }
}

export function draftOf(document: Document): Draft {
  return { ...document, fields: new Map(document.fields), changed: new Map(document.changed) }
}

/** Makes it the document's next version. A field that is given the value it has does not change. */
export function write(draft: Draft, values: Fields): void {
  draft.version++
  if (!draft.exists) draft.since = draft.version
  draft.exists = true
  for (const [field, value] of values) {
    if (hasValue(draft, field, value)) continue
    draft.changed.set(field, draft.version)
    if (value === null) draft.fields.delete(field)
    else draft.fields.set(field, value)
  }
}

/** Makes it the version in which the document was deleted. */
export function remove(draft: Draft): void {
  Object.assign(draft, absent(draft.id, draft.version + 1))
}

/** What a write would find in a field; null where there is none. */
export function valueIn(document: Document, field: string): unknown {
  return document.fields.get(field) ?? null
}

export function hasValue(document: Document, field: string, value: unknown): boolean {
  return isDeepStrictEqual(valueIn(document, field), value)
}

export function changedIn(document: Document, field: string): number {
  return document.changed.get(field) ?? document.forgotten
}

/** A document's data as everybody sees it. */
export function dataOf({ id, fields }: Document): Record<string, unknown> {
  if (id === LAYOUT) return (fields.get(LAYOUT) ?? {}) as Record<string, unknown>
  return Object.fromEntries(fields)
}

/** How many fields everybody sees in a document. */
export function fieldsIn(document: Document): number {
  return document.id === LAYOUT ? Object.keys(dataOf(document)).length : document.fields.size
}

/** Takes the oldest removed fields out of `changed`, so that a document does not grow with what is gone. */
export function forgetOldest(draft: Draft): void {
  const { changed, fields } = draft
  const removed = Array.from(changed).filter(([field]) => !fields.has(field))
  let chars = 0
  const newestFirst = removed.sort(([, a], [, b]) => b - a)
  const enough = newestFirst.findIndex(([field], i) => {
    chars += field.length
    return i === REMOVED_KEPT || chars > REMOVED_KEPT_CHARS
  })
  if (enough === -1) return
  for (const [field] of newestFirst.slice(enough)) changed.delete(field)
  draft.forgotten = Math.max(draft.forgotten, newestFirst[enough]?.[1] ?? 0)
}
