import type { z } from 'zod'
import { layoutUpdate, widgetBatch, widgetDelete, widgetUpdate } from '../../protocol/documents.ts'
import { jsonObject } from '../../protocol/envelope.ts'
import { withOperations } from './dashboard-batch.ts'
import { isObject } from './fact.ts'
import { SHARED_FACTS } from './names.ts'
import { OTHER } from './older-events.ts'

/** A fact in the words of the protocol. */
export interface Fact {
  readonly type: string
  readonly payload: unknown
  readonly baseVersion?: unknown
}

interface Word {
  readonly type: string
  readonly payload: z.ZodType
}

const WORDS: ReadonlyMap<string, Word> = new Map<string, Word>([
  ['SYNC_UPDATE', { type: 'sync:update', payload: jsonObject }],
  ['CONFLICT_RESOLVED', { type: 'conflict:resolved', payload: jsonObject }],
  ['WIDGET_UPDATE', { type: 'widget:update', payload: widgetUpdate }],
  ['WIDGET_DELETE', { type: 'widget:delete', payload: widgetDelete }],
  ['WIDGET_BATCH', { type: 'widget:batch', payload: widgetBatch }],
  ['LAYOUT_UPDATE', { type: 'layout:update', payload: layoutUpdate }],
  // [D1] What all families share.
  ...Array.from(SHARED_FACTS, ([name, type]): [string, Word] => [name, { type, payload: jsonObject }]),
])
// What changes a document. Their payloads are what is written, and nothing else.
const WRITES: ReadonlySet<string> = new Set(['WIDGET_UPDATE', 'WIDGET_DELETE', 'WIDGET_BATCH', 'LAYOUT_UPDATE'])

/** Whether members are told what a client says under this name. */
export function isFact(type: string): boolean {
  return WORDS.has(type)
}

/** What a client publishes under a name that `isFact`. A payload that the protocol has no form for is passed on as it is. */
export function published(type: string, payload: unknown): Fact {
  const word = WORDS.get(type)
  const { written, baseVersion } = WRITES.has(type) ? writeOf(payload) : { written: payload }
  const canonical = type === 'WIDGET_BATCH' ? withOperations(written, (name) => WORDS.get(name)?.type ?? '') : written
  if (!word?.payload.safeParse(canonical).success) return asItIs(type, payload)
  return { type: word.type, payload: canonical, ...(baseVersion !== undefined && { baseVersion }) }
}

/** The same fact, kept without any effect on documents. */
export function asItIs(type: string, payload: unknown): Fact {
  return { type: OTHER, payload: { type, payload } }
}

/** What is written, apart from what is said about the write. */
function writeOf(payload: unknown): { written: unknown; baseVersion?: unknown } {
  if (!isObject(payload)) return { written: payload }
  const { baseVersion, operationId: _ofTheFact, ...written } = payload
  return { written, baseVersion }
}
