import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import {
  type DocumentListReply,
  documentId,
  documentListReply,
  documentReply,
  type KeptDocument,
  keptDocument,
} from '../../protocol/documents.ts'
import { factReply } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import { PUBLISH_ERRORS, publishBody, type ServicePublish } from './publish.ts'
import { type Route, route } from './route.ts'

export interface DocumentsOptions {
  readonly documents: {
    list(channel: string): Promise<DocumentListReply>
    find(channel: string, id: string): Promise<KeptDocument | undefined>
  }
  readonly publish: ServicePublish
}

const path = '/api/v1/channels/:channel/documents'
const params = z.object({ channel: channelAddress })
const paramsOfOne = params.extend({ id: documentId })
const { payload: data, operationId, baseVersion, userId } = publishBody.shape

/** `GET /api/v1/channels/:channel/documents[/:id]`, `PUT …/:id`: what is kept of a channel, section 8. */
export function documentRoutes({ documents, publish }: DocumentsOptions): readonly Route[] {
  return [
    route({
      method: 'get',
      path,
      name: 'listDocuments',
      summary: 'Lists the documents of a channel as they are after the fact head.',
      may: 'key',
      params,
      reply: documentListReply,
      errors: ['unavailable'],
      handle: ({ params }) => documents.list(params.channel),
    }),
    route({
      method: 'get',
      path: `${path}/:id`,
      name: 'getDocument',
      summary: 'Tells one document.',
      may: 'key',
      params: paramsOfOne,
      reply: z.object({ document: keptDocument }),
      errors: ['not_found', 'unavailable'],
      async handle({ params: { channel, id } }) {
        const document = await documents.find(channel, id)
        if (!document) throw new ConveneError('not_found', `There is no ${id} in this channel`)
        return { document }
      },
    }),
    route({
      method: 'put',
      path: `${path}/:id`,
      name: 'writeDocument',
      summary: 'Sets fields of a widget, a null removes one; replaces the layout as a whole.',
      may: 'key',
      params: paramsOfOne,
      body: z.strictObject({ data, operationId, baseVersion, userId }),
      reply: factReply.extend(documentReply),
      errors: PUBLISH_ERRORS,
      handle({ params: { channel, id }, body: { data, ...rest } }) {
        return publish(channel, { ...rest, ...writeOf(id, data) }) as Promise<Written>
      },
    }),
  ]
}

type Written = z.infer<typeof factReply> & { version: number; merged?: true }

/** The fact that writes a document. */
function writeOf(id: string, data: Record<string, unknown>) {
  if (id === 'layout') return { type: 'layout:update', payload: { layout: data } }
  return { type: 'widget:update', payload: { widgetId: id.slice('widget:'.length), data } }
}
