import { FACT_TYPE } from '../../protocol/envelope.ts'

const UPPER_NAME = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/

/**
 * What every family may say in a project, beside its own words: the facts that the families share. By the name that plain
 * WebSocket clients give them.
 */
export const SHARED_FACTS: ReadonlyMap<string, string> = new Map(
  ['task:create', 'task:update', 'task:delete', 'task:move', 'comment:create', 'comment:update', 'comment:delete'].map(
    (type) => [upperName(type), type],
  ),
)

/** `card:move` as the families on plain WebSocket write it: `CARD_MOVE`. */
export function upperName(type: string): string {
  return type.toUpperCase().replace(/[:-]/g, '_')
}

/** [D1] `CARD_MOVE` as the protocol writes it: `card:move`; undefined when it is no such name. */
export function factName(name: string): string | undefined {
  if (!UPPER_NAME.test(name)) return undefined
  const type = name.toLowerCase().replace('_', ':').replaceAll('_', '-')
  return FACT_TYPE.test(type) ? type : undefined
}
