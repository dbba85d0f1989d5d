import { randomUUID } from 'node:crypto'
import type { Door } from './dialect.ts'

export const tasks: Door = {
  paths: ['/ws'],
  counts: 'people',
  letsInNobody: false,
  sessionId: () => randomUUID(),
  closing: () => undefined,
  speak: () => ({ hear: () => [], tell: () => [], garbled: () => [] }),
}
