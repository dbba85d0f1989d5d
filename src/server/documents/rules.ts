import { MAX_DOCUMENT_BYTES, MAX_DOCUMENTS_BYTES } from '../../protocol/limits.ts'
import type { FactRule } from '../channels/publication.ts'
import { layoutRules } from './layout-rules.ts'
import { widgetRules } from './widget-rules.ts'

/**
 * How facts change a channel's documents: each gives them their next versions in its own transaction [DOC1].
 * `maxBytes`: what one reply may bring, and so all documents of a channel together, since `document:list` has no pages.
 */
export function createDocumentRules({
  maxBytes = MAX_DOCUMENTS_BYTES,
}: {
  readonly maxBytes?: number
} = {}): Readonly<Record<string, FactRule>> {
  const bounds = { each: Math.min(MAX_DOCUMENT_BYTES, maxBytes), all: Math.min(MAX_DOCUMENTS_BYTES, maxBytes) }
  return { ...widgetRules(bounds), ...layoutRules(bounds) }
}
