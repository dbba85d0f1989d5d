import { ConveneError } from '../../protocol/errors.ts'
import { jsonBytes, MAX_DOCUMENT_BYTES, MAX_DOCUMENTS_BYTES } from '../../protocol/limits.ts'
import type { Publication } from '../channels/publication.ts'
import type { Place, ReadRecord, RecordWrite } from '../store/record.ts'
import { absent, type Document } from './document.ts'
import { bytesOf, documentKey, documentOf, recordOf, seen } from './kept.ts'
import { buried, type Ledger, lastVersion, ledgerKey, ledgerOf } from './ledger.ts'

/** A channel's documents while one fact changes them: how they were before it, how they are by now, what to keep. */
export class Changes {
  readonly #read: ReadRecord
  readonly #place: Place
  readonly #channel: string
  readonly #writer: string | null
  readonly #ledger: Ledger
  readonly #before = new Map<string, Document>()
  readonly #now = new Map<string, Document>()

  constructor({ channel, user }: Publication, read: ReadRecord, place: Place) {
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
    return this.#now.get(id) ?? this.before(id)
  }

  put(document: Document): void {
    this.#now.set(document.id, document)
  }

  /**
   * What there is to keep of it all.
   * @throws ConveneError `too_large` when a document, or all of them, grow beyond what is allowed
   */
  writes(): RecordWrite[] {
    const { seq, timestamp } = this.#place
    const writes: RecordWrite[] = []
    let ledger = this.#ledger
    for (const [id, document] of this.#now) {
      const key = documentKey(this.#channel, id)
      const before = bytesOf(this.#read(key))
      if (!document.exists) {
        ledger = buried({ ...ledger, bytes: ledger.bytes - before }, id, document.version)
        writes.push({ ...key, data: null })
        continue
      }
      const kept = seen(document, timestamp, this.#writer)
      // And a comma.
      const bytes = jsonBytes(kept) + 1
      if (bytes > MAX_DOCUMENT_BYTES && bytes > before) throw tooLarge(id, bytes, MAX_DOCUMENT_BYTES)
      ledger = { ...ledger, bytes: ledger.bytes - before + bytes }
      writes.push(recordOf(document, kept, { channel: this.#channel, seq, bytes }))
    }
    if (ledger.bytes > MAX_DOCUMENTS_BYTES && ledger.bytes > this.#ledger.bytes) {
      throw tooLarge('the documents of this channel together', ledger.bytes, MAX_DOCUMENTS_BYTES)
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
