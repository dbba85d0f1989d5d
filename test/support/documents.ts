import type { KeptDocument } from '../../src/protocol/documents.ts'
import type { Envelope } from '../../src/protocol/envelope.ts'

/** A channel's documents as a client holds them: what `document:list` gave, and every fact after it applied. */
export type Held = Map<string, KeptDocument>

export function held(documents: readonly KeptDocument[]): Held {
  return new Map(documents.map((document) => [document.id, document]))
}

/** What one write made of a document: its fields, null for those removed; all of it, `whole`; or nothing, `deleted`. */
export interface Told {
  readonly id: string
  readonly version: number
  readonly fields: ReadonlyMap<string, unknown>
  readonly whole: boolean
  readonly deleted: boolean
}

interface Payload {
  readonly widgetId: string
  readonly version: number
  readonly data: Record<string, unknown>
  readonly layout: Record<string, unknown>
  readonly operations: readonly { readonly type: string; readonly payload: Payload }[]
}

/** The writes that a fact tells of, as a client understands them. */
export function toldBy({ type, payload }: Pick<Envelope, 'type' | 'payload'>): Told[] {
  const { widgetId, version, data, layout, operations } = payload as unknown as Payload
  const widget = { id: `widget:${widgetId}`, version, whole: false }
  if (type === 'widget:update') return [{ ...widget, fields: new Map(Object.entries(data)), deleted: false }]
  if (type === 'widget:delete') return [{ ...widget, fields: new Map(), deleted: true }]
  if (type === 'widget:batch')
    return operations.flatMap((one) => toldBy({ type: one.type, payload: { ...one.payload } }))
  if (type === 'layout:update' || type === 'layout:restore')
    return [{ id: 'layout', version, fields: new Map(Object.entries(layout)), whole: true, deleted: false }]
  return []
}

/** Brings what a client holds on by one fact. */
export function applyFact(documents: Held, fact: Envelope): void {
  for (const { id, version, fields, whole, deleted } of toldBy(fact)) {
    if (deleted) {
      documents.delete(id)
      continue
    }
    const data = new Map(whole ? [] : Object.entries(documents.get(id)?.data ?? {}))
    for (const [field, value] of fields) {
      if (value === null && !whole) data.delete(field)
      else data.set(field, value)
    }
    const updated = { updatedAt: fact.timestamp, updatedBy: fact.user?.id ?? null }
    documents.set(id, { id, data: Object.fromEntries(data), version, ...updated })
  }
}
