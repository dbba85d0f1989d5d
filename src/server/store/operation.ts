import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Author } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { FactDraft } from './store.ts'

/** What is kept of an operation, as JSON text where it is not plain. */
export interface KeptOperation {
  readonly type: string
  readonly user: string | null
  readonly payload: string
  readonly request: string | null
}

/**
 * [OP1], [OP2] Whether a draft says again what is kept: same author, same content, in whatever order its keys come. What a
 * rule made of it may differ each time, so then the digest of what was asked counts.
 */
export function isSameOperation(kept: KeptOperation, draft: FactDraft): boolean {
  const author = kept.user === null ? null : (JSON.parse(kept.user) as Author)
  if (kept.type !== draft.type || author?.id !== draft.user?.id) return false
  if (kept.request !== null) return kept.request === requestDigest(draft)
  return isDeepStrictEqual(JSON.parse(kept.payload), JSON.parse(JSON.stringify(draft.payload)))
}

/** What somebody asked for, in short: the same for the same content. */
export function requestDigest({ payload, baseVersion }: FactDraft): string {
  const content = JSON.stringify([payload, baseVersion ?? null], sorted)
  return createHash('sha256').update(content).digest('base64url')
}

/** For JSON.stringify: the keys of objects in one order. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  // Entries, because a key may be __proto__.
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function operationMismatch(operationId: string): ConveneError {
  return new ConveneError(
    'operation_mismatch',
    `operationId ${JSON.stringify(operationId)} was used before on this channel, for something else or by somebody else; use a new one for each fact`,
  )
}
