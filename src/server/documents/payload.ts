import { ConveneError } from '../../protocol/errors.ts'
import type { Publication } from '../channels/publication.ts'

/**
 * A fact's payload, checked before, as the store will give it back. What an embedding program publishes may hold a
 * `Date` or an `undefined`, and what a client sends a `-0` or a `1e999`: compared as they are, they would equal nothing kept.
 * @throws ConveneError `invalid`
 */
export function payloadOf<T>({ payload }: Publication): T {
  try {
    return JSON.parse(JSON.stringify(payload)) as T
  } catch (cause) {
    throw new ConveneError('invalid', 'payload: this cannot be written as JSON', { cause })
  }
}
