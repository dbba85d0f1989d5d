import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import { z } from 'zod'
import { isChannelAddress, kindOf } from '../../protocol/channel.ts'
import { type Message, messageEdit, messageListBody } from '../../protocol/chat.ts'
import type { FactReply } from '../../protocol/envelope.ts'
import { ConveneError, parseBody } from '../../protocol/errors.ts'
import { allows, type Role } from '../../protocol/roles.ts'
import type { Identity } from '../auth/identity.ts'
import { channelsIn, isoTime, messageData } from '../dialects/community-chat.ts'
import { COMMUNITY_FAILURES, communityFailed } from './community-failure.ts'
import type { MessagesOptions } from './messages.ts'
import { authorOf, type Fact } from './on-behalf.ts'
import { OtherStatus, type Route, route } from './route.ts'

export interface CommunityOptions extends Pick<MessagesOptions, 'blocks' | 'access' | 'operations'> {
  readonly chat: MessagesOptions['chat'] & {
    find(channel: string, id: string): Promise<Message | undefined>
    named(id: string, limit: number, author?: string): Promise<Message[]>
  }
}

const MESSAGES_A_MINUTE = 30
// Of one id so many are looked at: each may cost a question to the app. Ids that nobody chose are all different.
const NAMESAKES = 20

const path = '/api/community/messages'
const content = z.string().max(2000).pipe(messageEdit.shape.content)
const room = z.object({ roomId: z.string().optional(), groupId: z.string().optional() })
const sending = room.extend({ content })
const paramsOfOne = z.object({ id: messageEdit.shape.messageId })

const data = z.object({
  id: z.string(),
  content: z.string(),
  roomId: z.string().nullable(),
  groupId: z.string().nullable(),
  authorId: z.string(),
  authorName: z.string(),
  authorImage: z.string().nullable(),
  isEdited: z.boolean(),
  isDeleted: z.boolean(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})
const one = z.object({ data, message: z.string() })

/** `/api/community/messages[/:id]`: the chat of rooms and groups, in the words of older callers. */
export function communityRoutes({ chat, blocks, access, operations }: CommunityOptions): readonly Route[] {
  const rate = new RateLimiterMemory({ points: MESSAGES_A_MINUTE, duration: 60 })
  const row = { may: 'older user', failure: communityFailed, others: COMMUNITY_FAILURES } as const

  /** As the person whose token it is. */
  async function publish(identity: Identity, channel: string, fact: Fact) {
    const roleNow = async () => writing(channel, await access.role(identity, channel))
    const role = await roleNow()
    const asker = { user: authorOf(identity), roleIn: () => role, roleAnew: roleNow }
    return (await operations.perform(asker, { ...fact, channel })) as FactReply & { messageId: string }
  }

  /** Those of an id that may be meant: the one of the room that is named, else one's own, else anybody's. */
  async function meant(identity: Identity, id: string, named: z.infer<typeof room>): Promise<Message[]> {
    if (named.roomId || named.groupId) {
      const message = await chat.find(channelIn(named), id)
      return message ? [message] : []
    }
    const own = await chat.named(id, NAMESAKES, identity.id)
    return own.length > 0 ? own : chat.named(id, NAMESAKES)
  }

  /** Of those that may be meant one's own or one that one may delete first, then any that one may know of. */
  async function find(
    identity: Identity,
    id: string,
    named: z.infer<typeof room>,
  ): Promise<{ message: Message; role: Role }> {
    let found: { message: Message; role: Role } | undefined
    for (const message of await meant(identity, id, named)) {
      if (!isRoom(message.channel)) continue
      const role = await access.role(identity, message.channel)
      if (!role) continue
      if (message.user?.id === identity.id || role === 'admin') return { message, role }
      found ??= { message, role }
    }
    if (found) return found
    throw new ConveneError('not_found', 'Chat message not found')
  }

  return [
    route({
      ...row,
      method: 'get',
      path,
      name: 'listCommunityMessages',
      summary: 'Lists the messages of a room or a group, newest first, in the words of older callers.',
      query: room.extend({
        cursor: z
          .string()
          .regex(/^[1-9]\d{0,14}$/, 'expected a cursor that was given here')
          .optional(),
        limit: messageListBody.shape.limit,
      }),
      reply: z.object({
        data: z.array(data),
        pagination: z.object({ cursor: z.string().nullable(), hasMore: z.boolean() }),
      }),
      async handle({ query: { cursor, limit, ...named }, caller: { identity } }) {
        const channel = channelIn(named)
        const before = cursor === undefined ? undefined : Number(cursor)
        const { messages, hasMore } = await chat.list(
          { channel, limit, before } as z.infer<typeof messageListBody>,
          await blocks.blockersOf(identity.id),
        )
        // After it was read, so that nobody removed is told what came later [FACT3].
        reading(channel, await access.role(identity, channel))
        return {
          data: messages.filter(({ deletedAt }) => deletedAt === undefined).map(messageData),
          pagination: { cursor: messages.at(-1)?.seq.toString() ?? null, hasMore },
        }
      },
    }),
    route({
      ...row,
      method: 'post',
      path,
      name: 'sendCommunityMessage',
      summary: 'Sends a message to a room or a group, in the words of older callers.',
      // Whoever sends too much is told so first.
      describedBody: sending,
      reply: one,
      others: { ...row.others, 201: one.extend({ success: z.literal(true) }) },
      async handle({ body, caller: { identity } }) {
        const refusal = await rate.consume(identity.id).then(() => undefined, tooMany)
        if (refusal) return refusal
        const { content: written, ...named } = parseBody(sending, body, 'body')
        const channel = channelIn(named)
        const content = written.trim()
        const sent = await publish(identity, channel, { type: 'message:send', payload: { content } })
        const { messageId: id, seq, timestamp: createdAt } = sent
        const message = { id, seq, channel, content, user: authorOf(identity), createdAt } as Message
        return new OtherStatus(201, {
          success: true,
          data: messageData(message),
          message: 'Message sent successfully',
        })
      },
    }),
    route({
      ...row,
      method: 'patch',
      path: `${path}/:id`,
      name: 'editCommunityMessage',
      summary: 'Edits a message, as its author, in the words of older callers.',
      params: paramsOfOne,
      query: room,
      body: z.object({ content }),
      reply: one,
      async handle({ params: { id }, query, body, caller: { identity } }) {
        const { message } = await find(identity, id, query)
        if (message.user?.id !== identity.id) {
          throw new ConveneError('forbidden', 'You can only edit your own messages')
        }
        const content = body.content.trim()
        const edit = { type: 'message:edit', payload: { messageId: id, content } }
        const { timestamp: editedAt } = await publish(identity, message.channel, edit)
        return { data: messageData({ ...message, content, editedAt }), message: 'Message edited successfully' }
      },
    }),
    route({
      ...row,
      method: 'delete',
      path: `${path}/:id`,
      name: 'deleteCommunityMessage',
      summary: 'Deletes a message, as its author or as an admin, in the words of older callers.',
      params: paramsOfOne,
      query: room,
      reply: z.object({ message: z.literal('Message deleted successfully') }),
      async handle({ params: { id }, query, caller: { identity } }) {
        const { message, role } = await find(identity, id, query)
        if (message.user?.id !== identity.id && role !== 'admin') {
          throw new ConveneError('forbidden', 'You can only delete your own messages or messages as a moderator')
        }
        await publish(identity, message.channel, { type: 'message:delete', payload: { messageId: id } })
        return { message: 'Message deleted successfully' as const }
      },
    }),
  ]
}

/** The room or group that is named. @throws ConveneError `invalid` */
function channelIn(named: z.infer<typeof room>): string {
  const [channel, another] = channelsIn(named)
  const field = named.roomId ? 'roomId' : 'groupId'
  if (channel === undefined) throw wrongRoom('roomId', 'Either roomId or groupId must be specified')
  if (another !== undefined) throw wrongRoom('groupId', 'Cannot specify both roomId and groupId')
  if (!isChannelAddress(channel)) {
    throw wrongRoom(field, `${field}: expected an id of at most 128 letters, digits and _ . @ -, like r1`)
  }
  return channel
}

function wrongRoom(path: string, message: string): ConveneError {
  return new ConveneError('invalid', message, { details: [{ path, message }] })
}

function isRoom(channel: string): boolean {
  return kindOf(channel) === 'room' || kindOf(channel) === 'group'
}

/** @throws ConveneError `forbidden` */
function reading(channel: string, role: Role | null): Role {
  if (role) return role
  throw new ConveneError('forbidden', `You must be a member of this ${kindOf(channel)} to read its messages`)
}

/** @throws ConveneError `forbidden`: whoever may only read is muted, in their words */
function writing(channel: string, role: Role | null): Role {
  const kind = kindOf(channel)
  if (!role) throw new ConveneError('forbidden', `You must be a member of this ${kind} to send messages`)
  if (allows(role, 'comment')) return role
  throw new ConveneError('forbidden', `You are muted in this ${kind} and cannot send messages`)
}

/** What is said to who sends too much. @throws whatever else went wrong */
function tooMany(thrown: unknown): OtherStatus {
  if (!(thrown instanceof RateLimiterRes)) throw thrown
  const retryAfterMs = thrown.msBeforeNext
  const { status, body, headers } = communityFailed(
    new ConveneError('rate_limited', 'Too many messages', { retryAfterMs }).toBody(),
  )
  return new OtherStatus(status, body, {
    ...headers,
    'X-RateLimit-Limit': String(MESSAGES_A_MINUTE),
    'X-RateLimit-Remaining': '0',
    'X-RateLimit-Reset': isoTime(Date.now() + retryAfterMs),
  })
}
