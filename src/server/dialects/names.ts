import { FACT_TYPE } from '../../protocol/envelope.ts'

const UPPER_NAME = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/

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
