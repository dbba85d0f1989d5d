import { randomUUID } from 'node:crypto'
import type { Door } from './dialect.ts'

export const dashboard: Door = {
  paths: ['/api/realtime'],
  counts: 'people',
  letsInNobody: false,
  sessionId: () => randomUUID(),
  closing: () => undefined,
  speak: () => ({ hear: () => [], tell: () => [], garbled: () => [] }),
}
