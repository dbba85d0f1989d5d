// Sizes that are part of the contract; what a deployment may set is an option instead.

/** Levels of arrays and objects in a request's body, the body itself included. */
export const MAX_DEPTH = 32
/** Characters of an operationId. */
export const MAX_OPERATION_ID_LENGTH = 128
/** Facts in one page of history. */
export const MAX_PAGE = 300
/**
 * Bytes of facts in one reply, half of what may wait for a session, so that what is live meanwhile still fits: a catch-up
 * of more is `too_many`, a page of history or of `last` facts is shorter than was asked.
 */
export const MAX_REPLY_BYTES = 524_288
/** Facts in one call of the service API, operations in one sync. */
export const MAX_BATCH = 100
/** Bytes of a presence state, as JSON in UTF-8. */
export const MAX_STATE_BYTES = 4096
/** Bytes of a cursor's position, as JSON in UTF-8. */
export const MAX_POSITION_BYTES = 1024
/** Bytes of a signal's payload, as JSON in UTF-8. */
export const MAX_SIGNAL_BYTES = 8192

/** Characters of one message. */
export const MAX_MESSAGE_LENGTH = 4000
/** Messages in one page. */
export const MAX_MESSAGES = 100
/** Unread messages are counted up to here. */
export const MAX_UNREAD = 1000
/** How long somebody types who does not say so again, in ms. */
export const TYPING_MS = 6000
/** Bytes of one document, as JSON in UTF-8. */
export const MAX_DOCUMENT_BYTES = 131_072
/** Fields of one document; of a layout, those at its top. */
export const MAX_DOCUMENT_FIELDS = 1000
/** Bytes of all documents of a channel together, as JSON in UTF-8: what one list of them may bring. */
export const MAX_DOCUMENTS_BYTES = 524_288
/** Versions of a layout that can be restored. */
export const LAYOUTS_KEPT = 50

/** How many bytes a value takes as JSON in UTF-8. `undefined` takes none. */
export function jsonBytes(value: unknown): number {
  // JSON.stringify of undefined is undefined, whatever its type says.
  const text = (JSON.stringify(value) as string | undefined) ?? ''
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // A surrogate is half of a four-byte character; JSON.stringify escapes lone ones.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1
  }
  return bytes
}
