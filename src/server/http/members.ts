import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import { type FactReply, factReply } from '../../protocol/envelope.ts'
import { ConveneError } from '../../protocol/errors.ts'
import { type MemberRole, member } from '../../protocol/members.ts'
import type { Members } from '../access/members.ts'
import { type Route, route } from './route.ts'

export interface MembersOptions {
  readonly members: Pick<Members, 'list' | 'find'>
  readonly membership: {
    /** Nothing when they had the role already. */
    set(channel: string, userId: string, role: MemberRole): Promise<FactReply | undefined>
    remove(channel: string, userId: string): Promise<FactReply>
  }
}

const path = '/api/v1/channels/:channel/members'
const params = z.object({ channel: channelAddress })
const paramsOfOne = params.extend({ userId: member.shape.userId })

/** `GET|PUT|DELETE /api/v1/channels/:channel/members[/:userId]`: who may be there [FACT3]. */
export function memberRoutes({ members, membership }: MembersOptions): readonly Route[] {
  return [
    route({
      method: 'get',
      path,
      name: 'listMembers',
      summary: 'Lists the members of a channel with their roles.',
      may: 'key',
      params,
      reply: z.object({ members: z.array(member) }),
      errors: ['unavailable'],
      handle: async ({ params }) => ({ members: await members.list(params.channel) }),
    }),
    route({
      method: 'get',
      path: `${path}/:userId`,
      name: 'getMember',
      summary: 'Tells the role of one member.',
      may: 'key',
      params: paramsOfOne,
      reply: z.object({ member }),
      errors: ['not_found', 'unavailable'],
      async handle({ params: { channel, userId } }) {
        const found = await members.find(channel, userId)
        if (!found) throw new ConveneError('not_found', `${userId} is not in the members of this channel`)
        return { member: found }
      },
    }),
    route({
      method: 'put',
      path: `${path}/:userId`,
      name: 'setMember',
      summary: 'Gives somebody a role in a channel; none shuts them out. It takes effect at once.',
      may: 'key',
      params: paramsOfOne,
      body: member.pick({ role: true }),
      // Where the change stands in the log; nothing when they had the role.
      reply: z.object({ member, fact: factReply.optional() }),
      errors: ['not_found', 'conflict', 'unavailable'],
      async handle({ params: { channel, userId }, body: { role } }) {
        const fact = await membership.set(channel, userId, role)
        return { member: { userId, role }, ...(fact && { fact }) }
      },
    }),
    route({
      method: 'delete',
      path: `${path}/:userId`,
      name: 'removeMember',
      summary: 'Removes somebody from the members of a channel. It takes effect at once.',
      may: 'key',
      params: paramsOfOne,
      reply: z.object({ fact: factReply }),
      errors: ['not_found', 'unavailable'],
      handle: async ({ params: { channel, userId } }) => ({ fact: await membership.remove(channel, userId) }),
    }),
  ]
}
