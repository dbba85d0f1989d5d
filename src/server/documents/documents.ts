import type {
  ConflictResolveBody,
  ConflictResolveReply,
  DocumentListReply,
  KeptDocument,
} from '../../protocol/documents.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { Publication } from '../channels/publication.ts'
import type { Store } from '../store/store.ts'
import { LAYOUT, widgetOfDocument } from './document.ts'
import { DOCUMENT_KIND, documentKey, keptDocumentOf } from './kept.ts'
import { lastVersion, ledgerKey, ledgerOf } from './ledger.ts'

/** What a resolved conflict comes to: something to publish, or something to answer. */
export type Resolution =
  | { readonly publish: Pick<Publication, 'channel' | 'type' | 'payload' | 'operationId' | 'baseVersion'> }
  | { readonly reply: ConflictResolveReply }

/** The documents of all channels, to be read. They are written by facts: `createDocumentRules`. */
export class Documents {
  readonly #store: Pick<Store, 'record' | 'snapshot'>

  constructor(store: Pick<Store, 'record' | 'snapshot'>) {
    this.#store = store
  }

  /**
   * All documents of a channel, and where in its log they are as they are.
   * @throws ConveneError `unavailable`
   */
  async list(channel: string): Promise<DocumentListReply> {
    const { epoch, head, records } = await this.#store.snapshot(channel, DOCUMENT_KIND)
    return { epoch, head, documents: records.map(keptDocumentOf) }
  }

  async find(channel: string, id: string): Promise<KeptDocument | undefined> {
    const record = await this.#store.record(documentKey(channel, id))
    return record && keptDocumentOf(record)
  }

  /**
   * [DOC5] What a resolution comes to: `mine` and `merge` are another write, which may conflict again; `theirs` is the
   * document as it is by now.
   * @throws ConveneError `invalid` without the data to write, `not_found` when there never was such a document
   */
  async resolution(body: ConflictResolveBody): Promise<Resolution> {
    const { channel, documentId, resolution, data, operationId, baseVersion } = body
    if (resolution === 'theirs') return { reply: { operationId, ...(await this.#standing(channel, documentId)) } }
    if (!data) throw noData(resolution)
    const fact =
      documentId === LAYOUT
        ? { type: 'layout:update', payload: { layout: data } }
        : { type: 'widget:update', payload: { widgetId: widgetOfDocument(documentId), data } }
    return { publish: { channel, ...fact, operationId, baseVersion } }
  }

  /** A document's version and data; of a deleted one only the version. */
  async #standing(channel: string, id: string): Promise<Pick<ConflictResolveReply, 'version' | 'data'>> {
    const document = await this.find(channel, id)
    if (document) return { version: document.version, data: document.data }
    const version = lastVersion(ledgerOf(await this.#store.record(ledgerKey(channel))), id)
    if (version > 0) return { version }
    throw new ConveneError('not_found', `there is no ${id} in this channel, so nothing stands against it`)
  }
}

function noData(resolution: string): ConveneError {
  const message = `expected what to write, since resolution is ${resolution}: the server keeps nothing of the write that was refused`
  return new ConveneError('invalid', `conflict:resolve: data: ${message}`, { details: [{ path: 'data', message }] })
}
