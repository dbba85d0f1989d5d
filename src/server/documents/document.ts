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

export function absent(id: string, version: number): Document {
  return { id, exists: false, version, since: version, fields: new Map(), changed: new Map(), forgotten: version }
}

/** The document's next version. A field that is given the value it has does not change. */
export function written(document: Document, values: Fields): Document {
  const version = document.version + 1
  const fields = new Map(document.fields)
  const changed = new Map(document.changed)
  for (const [field, value] of values) {
    if (hasValue(document, field, value)) continue
    changed.set(field, version)
    if (value === null) fields.delete(field)
    else fields.set(field, value)
  }
  const forgotten = forgetOldest(changed, fields, document.forgotten)
  return {
    ...document,
    exists: true,
    since: document.exists ? document.since : version,
    version,
    fields,
    changed,
    forgotten,
  }
}

export function deleted(document: Document): Document {
  return absent(document.id, document.version + 1)
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

/** Takes the oldest removed fields out of `changed`, so that a document does not grow with what is gone. */
function forgetOldest(changed: Map<string, number>, fields: Fields, forgotten: number): number {
  const removed = Array.from(changed).filter(([field]) => !fields.has(field))
  let chars = 0
  const newestFirst = removed.sort(([, a], [, b]) => b - a)
  const enough = newestFirst.findIndex(([field], i) => {
    chars += field.length
    return i === REMOVED_KEPT || chars > REMOVED_KEPT_CHARS
  })
  if (enough === -1) return forgotten
  for (const [field] of newestFirst.slice(enough)) changed.delete(field)
  return Math.max(forgotten, newestFirst[enough]?.[1] ?? 0)
}
