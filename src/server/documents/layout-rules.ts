import type { LayoutRestore, LayoutUpdate } from '../../protocol/documents.ts'
import { ConveneError } from '../../protocol/errors.ts'
import { LAYOUTS_KEPT } from '../../protocol/limits.ts'
import type { FactRule, Publication } from '../channels/publication.ts'
import type { Decided, Place, RecordKey, RecordWrite } from '../store/record.ts'
import { mergesWith } from './base.ts'
import { type Bounds, Changes } from './changes.ts'
import { LAYOUT } from './document.ts'
import { documentKey } from './kept.ts'
import { ledgerKey } from './ledger.ts'
import { payloadOf } from './payload.ts'

type Layout = LayoutUpdate['layout']

export function layoutRules(bounds: Bounds): Readonly<Record<string, FactRule>> {
  return {
    'layout:update': (publication) => {
      const { layout } = payloadOf<LayoutUpdate>(publication)
      return {
        reads: layoutReads(publication),
        decide(read, place) {
          return change(publication, new Changes(bounds, publication, read, place), place, layout, {})
        },
      }
    },
    'layout:restore': (publication) => {
      const { version } = payloadOf<LayoutRestore>(publication)
      const key = versionKey(publication.channel, version)
      return {
        reads: [...layoutReads(publication), key],
        decide(read, place) {
          const changes = new Changes(bounds, publication, read, place)
          const kept = read(key)
          if (!kept) throw notKept(version, changes.now(LAYOUT).version)
          return change(publication, changes, place, kept.data.layout as Layout, { restored: version })
        },
      }
    },
  }
}

function layoutReads({ channel }: Publication): RecordKey[] {
  return [ledgerKey(channel), documentKey(channel, LAYOUT)]
}

function versionKey(channel: string, version: number): RecordKey {
  return { scope: channel, kind: 'layout-version', id: String(version) }
}

function change(
  { channel, baseVersion }: Publication,
  changes: Changes,
  place: Place,
  layout: Layout,
  told: { readonly restored?: number },
): Decided {
  const fields = new Map([[LAYOUT, layout]])
  const merged = mergesWith(changes.before(LAYOUT), { fields, baseVersion, path: '' })
  const version = changes.write(LAYOUT, fields)
  const writes: RecordWrite[] = [
    ...changes.writes(),
    { ...versionKey(channel, version), seq: place.seq, owner: null, deleted: false, data: { layout } },
  ]
  if (version > LAYOUTS_KEPT) writes.push({ ...versionKey(channel, version - LAYOUTS_KEPT), data: null })
  return {
    payload: { layout, version, ...told },
    writes,
    result: { version, ...(merged && { merged }) },
  }
}

function notKept(version: number, latest: number): ConveneError {
  const kept =
    latest === 0 ? 'there is no layout yet' : `kept are versions ${Math.max(1, latest - LAYOUTS_KEPT + 1)} to ${latest}`
  return new ConveneError('not_found', `version ${version} of the layout is not kept: ${kept}`)
}
