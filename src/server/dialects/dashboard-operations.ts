import type { SyncOperation } from '../../protocol/sync.ts'
import { asItIs, type Fact, published } from './dashboard-facts.ts'
import { field, textOf } from './fact.ts'
import { keptId } from './kept-id.ts'

/** One of the operations that a client without a connection has done; an error where nothing can be asked for it. */
export type Operation = { readonly operationId: string | undefined; readonly type: string } & (
  | { readonly error: string }
  | {
      readonly ask: SyncOperation
      /** What is asked where there is no such document. */
      readonly instead: SyncOperation
    }
)

/** By type: what its payload has to bring, and what is said where that is missing. */
const NEEDS: ReadonlyMap<string, { readonly fields: readonly string[]; readonly missing: string }> = new Map([
  ['WIDGET_UPDATE', { fields: ['widgetId', 'data'], missing: 'Missing widgetId or data in payload' }],
  ['LAYOUT_UPDATE', { fields: ['layout'], missing: 'Missing layout in payload' }],
  ['WIDGET_DELETE', { fields: ['widgetId'], missing: 'Missing widgetId in payload' }],
])

/** What an operation asks for, of what stands in the list; the rest of its payload counts for nothing. */
export function operationIn(given: unknown, channel: string, userId: string): Operation {
  const type = String(textOf(field(given, 'type')))
  const payload = field(given, 'payload')
  const operationId = textOf(field(given, 'operationId'))
  const needs = NEEDS.get(type)
  if (!needs) return { operationId, type, error: `Unknown operation type: ${type}` }
  if (!needs.fields.every((name) => field(payload, name))) return { operationId, type, error: needs.missing }
  const written = Object.fromEntries(needs.fields.map((name) => [name, field(payload, name)]))
  const baseVersion = field(given, 'baseVersion') ?? field(payload, 'baseVersion')
  const asked = (fact: Fact) =>
    ({
      operationId: keptId('http', operationId, [userId, channel, fact.type, type, written]),
      channel,
      type: fact.type,
      payload: fact.payload,
      ...(baseVersion !== undefined && { baseVersion }),
    }) as SyncOperation
  return { operationId, type, ask: asked(published(type, written)), instead: asked(asItIs(type, written)) }
}
