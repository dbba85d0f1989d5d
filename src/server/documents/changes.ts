import { ConveneError } from '../../protocol/errors.ts'
import { jsonBytes, MAX_DOCUMENT_FIELDS } from '../../protocol/limits.ts'
import type { Publication } from '../channels/publication.ts'
import type { Place, ReadRecord, RecordWrite } from '../store/record.ts'
import {
  absent,
  type Document,
  type Draft,
  draftOf,
  type Fields,
  fieldsIn,
  forgetOldest,
  remove,
  write,
} from './document.ts'
import { bytesOf, documentKey, documentOf, recordOf, seen } from './kept.ts'
import { buried, type Ledger, lastVersion, ledgerKey, ledgerOf } from './ledger.ts'

/** How many bytes documents may take: each of them, and all of a channel together. */
export interface Bounds {
  readonly each: number
  readonly all: number
}

/** A channel's documents while one fact changes them: how they were before it, how they are by now, what to keep. */
export class Changes {
  readonly #read: ReadRecord
  readonly #place: Place
  readonly #channel: string
  readonly #writer: string | null
  readonly #ledger: Ledger
  readonly #before = new Map<string, Document>()
  readonly #drafts = new Map<string, Draft>()
  readonly #bounds: Bounds

  constructor(bounds: Bounds, { channel, user }: Publication, read: ReadRecord, place: Place) {
    this.#bounds = bounds
    this.#read = read
    this.#place = place
    this.#channel = channel
    this.#writer = user?.id ?? null
    this.#ledger = ledgerOf(read(ledgerKey(channel)))
  }

  before(id: string): Document {
    const known = this.#before.get(id)
    if (known) return known
    const record = this.#read(documentKey(this.#channel, id))
    const document = record ? documentOf(record) : absent(id, lastVersion(this.#ledger, id))
    this.#before.set(id, document)
    return document
  }

  now(id: string): Document {
    return this.#drafts.get(id) ?? this.before(id)
  }

  /** Writes a document's fields, or deletes it when there are none. Returns its new version. */
  write(id: string, fields: Fields | null): number {
    const draft = this.#drafts.get(id) ?? draftOf(this.before(id))
    this.#drafts.set(id, draft)
    if (fields) write(draft, fields)
    else remove(draft)
    return draft.version
  }

  /**
   * What there is to keep of it all.
   * @throws ConveneError `too_large` when a document, or all of them, grow beyond what is allowed; less is always allowed
   */
  writes(): RecordWrite[] {
    const { seq, timestamp } = this.#place
    const writes: RecordWrite[] = []
    let ledger = this.#ledger
    for (const [id, draft] of this.#drafts) {
      const key = documentKey(this.#channel, id)
      const before = bytesOf(this.#read(key))
      if (!draft.exists) {
        ledger = buried({ ...ledger, bytes: ledger.bytes - before }, id, draft.version)
        writes.push({ ...key, data: null })
        continue
      }
      forgetOldest(draft)
      const fields = fieldsIn(draft)
      if (fields > MAX_DOCUMENT_FIELDS && fields > fieldsIn(this.before(id))) throw tooManyFields(id, fields)
      const kept = seen(draft, timestamp, this.#writer)
      // And a comma.
      const bytes = jsonBytes(kept) + 1
      if (bytes > this.#bounds.each && bytes > before) throw tooLarge(id, bytes, this.#bounds.each)
      ledger = { ...ledger, bytes: ledger.bytes - before + bytes }
      writes.push(recordOf(draft, kept, { channel: this.#channel, seq, bytes }))
    }
    if (ledger.bytes > this.#bounds.all && ledger.bytes > this.#ledger.bytes) {
      throw tooLarge('the documents of this channel together', ledger.bytes, this.#bounds.all)
    }
    writes.push({ ...ledgerKey(this.#channel), seq, owner: null, deleted: false, data: { ...ledger } })
    return writes
  }
}

function tooLarge(what: string, bytes: number, allowed: number): ConveneError {
  return new ConveneError(
    'too_large',
    `${what} would take ${bytes} bytes, and ${allowed} are allowed; delete what is not needed any more, or write less`,
  )
}

function tooManyFields(what: string, fields: number): ConveneError {
  return new ConveneError(
    'too_large',
    `${what} would have ${fields} fields, and ${MAX_DOCUMENT_FIELDS} are allowed; remove what is not needed any more, or make several documents of it`,
  )
}
