import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import {
  type MessageListBody,
  type MessageListReply,
  messageEdit,
  messageListBody,
  messageListReply,
  messageReply,
  messageSend,
} from '../../protocol/chat.ts'
import { factReply } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { Blocks } from '../access/blocks.ts'
import { requireRight } from '../session/rights.ts'
import { type Fact, type OnBehalfOptions, publishFor } from './on-behalf.ts'
import { PUBLISH_ERRORS, publishBody } from './publish.ts'
import { type Caller, type Route, route } from './route.ts'

export interface MessagesOptions extends OnBehalfOptions {
  readonly chat: { list(request: MessageListBody, blockedBy?: readonly string[]): Promise<MessageListReply> }
  readonly blocks: Pick<Blocks, 'blockersOf'>
}

const path = '/api/v1/channels/:channel/messages'
const params = z.object({ channel: channelAddress })
const paramsOfOne = params.extend({ id: messageEdit.shape.messageId })
/** On whose behalf, for a caller with a key; and what makes a repetition safe [API2]. */
const { userId, operationId } = publishBody.shape
const write = { may: 'key or user', reply: factReply.extend(messageReply), errors: PUBLISH_ERRORS } as const

/** `/api/v1/channels/:channel/messages[/:id]`: a channel's chat, as oneself with a token, as anybody with a key. */
export function messageRoutes(options: MessagesOptions): readonly Route[] {
  const { chat, blocks, access } = options

  async function publish(caller: Caller, channel: string, fact: Fact, onBehalfOf: string | undefined) {
    const userId = requireSelf(caller, onBehalfOf)
    return publishFor(caller, channel, fact, userId, options) as Promise<z.infer<typeof write.reply>>
  }

  return [
    route({
      method: 'get',
      path,
      name: 'listMessages',
      summary: 'Lists the messages of a channel as they stand, newest first, without those kept from the reader.',
      may: 'key or user',
      params,
      query: messageListBody.omit({ channel: true }).extend({ userId }),
      reply: messageListReply,
      errors: ['forbidden', 'unavailable'],
      async handle({ params: { channel }, query: { userId, ...page }, caller }) {
        const reader = requireSelf(caller, userId)
        const blockers = reader === undefined ? [] : await blocks.blockersOf(reader)
        const list = await chat.list({ channel, ...page }, blockers)
        // After it was read, so that nobody removed is told what came later [FACT3].
        if (caller.kind === 'user') requireRight(channel, await access.role(caller.identity, channel), 'read')
        return list
      },
    }),
    route({
      ...write,
      method: 'post',
      path,
      name: 'sendMessage',
      summary: 'Sends a message.',
      params,
      body: messageSend.extend({ userId, operationId }),
      handle({ params, body: { userId, operationId, ...payload }, caller }) {
        return publish(caller, params.channel, { type: 'message:send', payload, operationId }, userId)
      },
    }),
    route({
      ...write,
      method: 'patch',
      path: `${path}/:id`,
      name: 'editMessage',
      summary: 'Edits a message, as its author.',
      params: paramsOfOne,
      body: messageEdit.pick({ content: true }).extend({ userId, operationId }),
      async handle({ params: { channel, id }, body: { userId, operationId, content }, caller }) {
        const edit = { type: 'message:edit', payload: { messageId: id, content }, operationId }
        try {
          return await publish(caller, channel, edit, userId)
        } catch (error) {
          throw caller.kind === 'service' && userId === undefined ? withoutAuthor(error) : error
        }
      },
    }),
    route({
      ...write,
      method: 'delete',
      path: `${path}/:id`,
      name: 'deleteMessage',
      summary: 'Deletes a message, as its author, an admin, or a server.',
      params: paramsOfOne,
      query: z.object({ userId, operationId: operationId }),
      handle({ params: { channel, id }, query: { userId, operationId }, caller }) {
        return publish(caller, channel, { type: 'message:delete', payload: { messageId: id }, operationId }, userId)
      },
    }),
  ]
}

/** What helps a server that was refused an edit: it has somebody's words and has not said whose. */
function withoutAuthor(error: unknown): unknown {
  if (!(error instanceof ConveneError && error.code === 'forbidden')) return error
  const message = "expected the author's id: only the author edits a message"
  return new ConveneError('invalid', `body: userId: ${message}`, { details: [{ path: 'userId', message }] })
}

/** Whom a caller acts for: a person for nobody but themselves. */
function requireSelf(caller: Caller, userId: string | undefined): string | undefined {
  if (caller.kind === 'service') return userId
  const { id } = caller.identity
  if (userId === undefined || userId === id) return id
  throw new ConveneError('forbidden', 'userId: with a token one acts as oneself; leave it out, or call with a key')
}
