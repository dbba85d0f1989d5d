import fc from 'fast-check'
import type { Meant } from './document-history.ts'
import type { Held } from './documents.ts'

/** A write as somebody decides on it, whatever they know: its bases come from what they hold. */
export interface Intent {
  readonly type: 'widget:update' | 'widget:delete' | 'widget:batch' | 'layout:update' | 'layout:restore'
  readonly changes: readonly Change[]
  readonly layout: Record<string, unknown>
  readonly restored: number
  readonly based: boolean
}

interface Change {
  readonly widgetId: string
  /** Null deletes. */
  readonly data: Record<string, unknown> | null
  readonly based: boolean
}

/** One thing that somebody does. */
export interface Step {
  readonly who: number
  /** What they write; or how many facts they hear of, all of them when it is Infinity. */
  readonly does: Intent | number
}

export const WRITERS = 3

const value = fc.constantFrom<unknown>(1, 2, null, null, { x: 1, y: [2] }, { y: [2], x: 1 })

/** Several writers of such fields who do as they like, each with what they have heard of so far. */
export function story(fields: readonly string[]): fc.Arbitrary<Step[]> {
  const data = fc
    .array(fc.tuple(fc.constantFrom(...fields), value), { maxLength: 3 })
    .map((entries) => Object.fromEntries(entries) as Record<string, unknown>)
  const change: fc.Arbitrary<Change> = fc.record({
    widgetId: fc.constantFrom('w', 'v'),
    data: fc.oneof({ weight: 4, arbitrary: data }, { weight: 1, arbitrary: fc.constant(null) }),
    based: fc.boolean(),
  })
  const intent = fc
    .record({
      type: fc.constantFrom('widget:update', 'widget:update', 'widget:batch', 'layout:update', 'layout:restore'),
      changes: fc.array(change, { minLength: 1, maxLength: 3 }),
      layout: data,
      restored: fc.integer({ min: 1, max: 6 }),
      based: fc.boolean(),
    })
    .map((one) => (one.type === 'widget:update' && !one.changes[0]?.data ? { ...one, type: 'widget:delete' } : one))
    .map((one) => one as Intent)
  const hearing = fc.constantFrom(1, 2, Number.POSITIVE_INFINITY)
  const step = fc.record({
    who: fc.nat({ max: WRITERS - 1 }),
    does: fc.oneof<fc.Arbitrary<Intent | number>[]>(intent, hearing),
  })
  // In short ones they seldom meet.
  return fc.array(step, { minLength: 20, maxLength: 50, size: 'max' })
}

/** What a writer sends who holds these documents, and what they mean by it. */
export function request(intent: Intent, documents: Held): { body: Request; meant: Meant[] } {
  const base = (id: string, based: boolean) => (based ? { baseVersion: documents.get(id)?.version ?? 0 } : {})
  const { type, changes, layout, restored, based } = intent
  if (type === 'layout:update' || type === 'layout:restore') {
    const payload = type === 'layout:update' ? { layout } : { version: restored }
    const baseVersion = base('layout', based).baseVersion
    const fields = type === 'layout:update' ? new Map([['layout', layout]]) : restored
    return { body: { type, payload, ...base('layout', based) }, meant: [{ id: 'layout', fields, baseVersion }] }
  }
  const writes = changes.slice(0, type === 'widget:batch' ? undefined : 1).map(({ widgetId, data, based }) => ({
    type: data ? 'widget:update' : 'widget:delete',
    payload: { widgetId, ...(data && { data }) },
    ...base(`widget:${widgetId}`, based),
  }))
  const meant = writes.map(({ payload, ...rest }) => ({
    id: `widget:${payload.widgetId}`,
    fields: payload.data ? new Map(Object.entries(payload.data)) : null,
    baseVersion: 'baseVersion' in rest ? rest.baseVersion : undefined,
  }))
  if (type === 'widget:batch') return { body: { type, payload: { operations: writes } }, meant }
  return { body: writes[0] as Request, meant }
}

export interface Request {
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly baseVersion?: number
}
