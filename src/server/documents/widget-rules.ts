import type { WidgetBatch, WidgetDelete, WidgetUpdate } from '../../protocol/documents.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { FactRule, Publication } from '../channels/publication.ts'
import type { Rule } from '../store/record.ts'
import { mergesWith } from './base.ts'
import { Changes } from './changes.ts'
import { deleted, documentOfWidget, written } from './document.ts'
import { documentKey } from './kept.ts'
import { ledgerKey } from './ledger.ts'
import { payloadOf } from './payload.ts'

type Operation = WidgetBatch['operations'][number]

/** What became of one operation. */
interface Done {
  readonly version: number
  readonly merged: boolean
}

export const widgetUpdateRule: FactRule = (publication) => {
  const payload = payloadOf<WidgetUpdate>(publication)
  return one(publication, { type: 'widget:update', payload, baseVersion: publication.baseVersion })
}

export const widgetDeleteRule: FactRule = (publication) => {
  const payload = payloadOf<WidgetDelete>(publication)
  return one(publication, { type: 'widget:delete', payload, baseVersion: publication.baseVersion })
}

export const widgetBatchRule: FactRule = (publication) => {
  const { operations } = payloadOf<WidgetBatch>(publication)
  return rule(publication, operations, (read, place) => {
    const changes = new Changes(publication, read, place)
    const done = operations.map((operation, i) => change(changes, operation, `payload.operations.${i}.`))
    const told = operations.map(({ type, payload }, i) => ({
      type,
      payload: { ...payload, version: done[i]?.version },
    }))
    const merged = done.some((each) => each.merged)
    return {
      payload: { operations: told },
      writes: changes.writes(),
      result: { versions: done.map(({ version }) => version), ...(merged && { merged }) },
    }
  })
}

function one(publication: Publication, operation: Operation): Rule {
  return rule(publication, [operation], (read, place) => {
    const changes = new Changes(publication, read, place)
    const { version, merged } = change(changes, operation, '')
    return {
      payload: { ...operation.payload, version },
      writes: changes.writes(),
      result: { version, ...(merged && { merged }) },
    }
  })
}

function rule({ channel }: Publication, operations: readonly Operation[], decide: Rule['decide']): Rule {
  const ids = new Set(operations.map(({ payload }) => documentOfWidget(payload.widgetId)))
  return { reads: [ledgerKey(channel), ...Array.from(ids, (id) => documentKey(channel, id))], decide }
}

/**
 * Makes one operation's change. It applies to what the operations before it have left, and conflicts only with what
 * others wrote: its author knows the rest of the batch.
 */
function change(changes: Changes, { type, payload, baseVersion }: Operation, path: string): Done {
  const id = documentOfWidget(payload.widgetId)
  const document = changes.now(id)
  const fields = type === 'widget:update' ? new Map(Object.entries(payload.data)) : null
  if (!fields && !document.exists) throw noWidget(id)
  const merged = mergesWith(changes.before(id), { fields, baseVersion, path })
  const next = fields ? written(document, fields) : deleted(document)
  changes.put(next)
  return { version: next.version, merged }
}

function noWidget(id: string): ConveneError {
  return new ConveneError('not_found', `there is no ${id} in this channel; document:list tells which there are`)
}
