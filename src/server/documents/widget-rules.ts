import type { WidgetBatch, WidgetDelete, WidgetUpdate } from '../../protocol/documents.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { FactRule, Publication } from '../channels/publication.ts'
import type { Decided, Rule } from '../store/record.ts'
import { mergesWith } from './base.ts'
import { type Bounds, Changes } from './changes.ts'
import { documentOfWidget } from './document.ts'
import { documentKey } from './kept.ts'
import { ledgerKey } from './ledger.ts'
import { payloadOf } from './payload.ts'

type Operation = WidgetBatch['operations'][number]

/** What became of one operation. */
interface Done {
  readonly version: number
  readonly merged: boolean
}

export function widgetRules(bounds: Bounds): Readonly<Record<string, FactRule>> {
  return {
    'widget:update': (publication) => {
      const payload = payloadOf<WidgetUpdate>(publication)
      return one(bounds, publication, { type: 'widget:update', payload, baseVersion: publication.baseVersion })
    },
    'widget:delete': (publication) => {
      const payload = payloadOf<WidgetDelete>(publication)
      return one(bounds, publication, { type: 'widget:delete', payload, baseVersion: publication.baseVersion })
    },
    'widget:batch': (publication) => many(bounds, publication),
  }
}

function many(bounds: Bounds, publication: Publication): Rule {
  const { operations } = payloadOf<WidgetBatch>(publication)
  return rule(bounds, publication, operations, (changes) => {
    const done = operations.map((operation, i) => change(changes, operation, `payload.operations.${i}.`))
    const told = operations.map(({ type, payload }, i) => ({
      type,
      payload: { ...payload, version: done[i]?.version },
    }))
    const merged = done.some((each) => each.merged)
    return {
      payload: { operations: told },
      result: { versions: done.map(({ version }) => version), ...(merged && { merged }) },
    }
  })
}

function one(bounds: Bounds, publication: Publication, operation: Operation): Rule {
  return rule(bounds, publication, [operation], (changes) => {
    const { version, merged } = change(changes, operation, '')
    return {
      payload: { ...operation.payload, version },
      result: { version, ...(merged && { merged }) },
    }
  })
}

function rule(
  bounds: Bounds,
  publication: Publication,
  operations: readonly Operation[],
  decide: (changes: Changes) => Omit<Decided, 'writes'>,
): Rule {
  const { channel } = publication
  const ids = new Set(operations.map(({ payload }) => documentOfWidget(payload.widgetId)))
  return {
    reads: [ledgerKey(channel), ...Array.from(ids, (id) => documentKey(channel, id))],
    decide(read, place) {
      const changes = new Changes(bounds, publication, read, place)
      return { ...decide(changes), writes: changes.writes() }
    },
  }
}

/**
 * Makes one operation's change. It applies to what the operations before it have left, and conflicts only with what
 * others wrote: its author knows the rest of the batch.
 */
function change(changes: Changes, { type, payload, baseVersion }: Operation, path: string): Done {
  const id = documentOfWidget(payload.widgetId)
  const fields = type === 'widget:update' ? new Map(Object.entries(payload.data)) : null
  if (!fields && !changes.now(id).exists) throw noWidget(id)
  const merged = mergesWith(changes.before(id), { fields, baseVersion, path })
  return { version: changes.write(id, fields), merged }
}

function noWidget(id: string): ConveneError {
  return new ConveneError('not_found', `there is no ${id} in this channel; document:list tells which there are`)
}
