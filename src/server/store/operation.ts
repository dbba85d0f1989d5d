import { isDeepStrictEqual } from 'node:util'
import type { Author } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { FactDraft } from './store.ts'

/** What is kept of an operation, as JSON text where it is not plain. */
export interface KeptOperation {
  readonly type: string
  readonly user: string | null
  readonly payload: string
}

/** [OP1], [OP2] Whether a draft says again what is kept: same author, same content, in whatever order its keys come. */
export function isSameOperation(kept: KeptOperation, draft: FactDraft): boolean {
  const author = kept.user === null ? null : (JSON.parse(kept.user) as Author)
  return (
    kept.type === draft.type &&
    author?.id === draft.user?.id &&
    isDeepStrictEqual(JSON.parse(kept.payload), JSON.parse(JSON.stringify(draft.payload)))
  )
}

export function operationMismatch(operationId: string): ConveneError {
  return new ConveneError(
    'operation_mismatch',
    `operationId ${JSON.stringify(operationId)} was used before on this channel, for something else or by somebody else; use a new one for each fact`,
  )
}
