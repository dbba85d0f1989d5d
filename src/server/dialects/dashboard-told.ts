import type { Envelope } from '../../protocol/envelope.ts'
import { withOperations } from './dashboard-batch.ts'
import { frame, type Style } from './dashboard-frame.ts'
import { isObject, placeOf, textOf } from './fact.ts'
import { upperName } from './names.ts'
import { OTHER } from './older-events.ts'

type Telling = (event: string, body: unknown) => string[]

/** How a fact is told, in each of the styles. Each form of a fact is made once for all who read it so. */
export const TELLING: Readonly<Record<Style, Telling>> = {
  document: tellingIn('document'),
  library: tellingIn('library'),
  either: tellingIn('either'),
}

function tellingIn(style: Style): Telling {
  return (_event, body) => {
    const fact = body as Envelope
    const { user, timestamp: at } = fact
    return [frame(style, { ...toldOf(fact), userId: user?.id ?? '', place: placeOf(fact), at })]
  }
}

/** A fact as the dashboard's clients are told of it. */
function toldOf({ type, payload }: Envelope): { readonly type: string; readonly payload: unknown } {
  switch (type) {
    case OTHER:
      return { type: textOf(payload.type) ?? upperName(type), payload: payload.payload }
    case 'widget:update':
    case 'widget:delete':
    case 'layout:update':
      return { type: upperName(type), payload: withoutVersion(payload) }
    // Their word for what the layout is from now on.
    case 'layout:restore':
      return { type: 'LAYOUT_UPDATE', payload: { layout: payload.layout } }
    case 'widget:batch':
      return { type: 'WIDGET_BATCH', payload: withOperations(payload, upperName, withoutVersion) }
    default:
      return { type: upperName(type), payload }
  }
}

function withoutVersion(payload: unknown): unknown {
  if (!isObject(payload)) return payload
  const { version: _ours, ...written } = payload
  return written
}
