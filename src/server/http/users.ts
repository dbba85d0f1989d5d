import { z } from 'zod'
import { ConveneError } from '../../protocol/errors.ts'
import { member } from '../../protocol/members.ts'
import type { Blocks } from '../access/blocks.ts'
import { type Route, route } from './route.ts'

export interface UsersOptions {
  readonly blocks: Pick<Blocks, 'block' | 'unblock'>
  /** Each resolves to how many sessions it ended. */
  readonly people: {
    disconnect(userId: string): number | Promise<number>
    revokeUser(userId: string, until: number | undefined): Promise<number>
    revokeToken(jti: string): Promise<number>
  }
}

const path = '/api/v1/users/:id'
const params = z.object({ id: member.shape.userId })
const paramsOfBlock = params.extend({ blockedId: member.shape.userId })

// `until: Date.now()` replaces a longer one. It is not refused for its way here, nor for a clock that is a little slow.
const LATE_MS = 60_000
const TEN_YEARS_MS = 10 * 366 * 86_400_000

const until = z
  .int()
  .min(0)
  .refine((until) => until >= Date.now() - LATE_MS, { error: ({ input }) => tooEarly(Number(input)) })
  .describe('ms since 1970, later than now')

/** Told, and not taken for a plain revocation: what seconds say is long past. */
function tooEarly(until: number): string {
  const seconds = Math.abs(until * 1000 - Date.now()) < TEN_YEARS_MS
  return `expected ms since 1970, later than now${seconds ? '; this looks like seconds' : ''}`
}

const ended = z.object({ sessions: z.int().describe('How many were ended; of a token, on the node that was asked.') })

/** `/api/v1/users/:id/…` and `/api/v1/tokens/revoke`: blocks [MSG1], and the end of sessions [LIFE2]. */
export function userRoutes({ blocks, people }: UsersOptions): readonly Route[] {
  const block = { path: `${path}/blocks/:blockedId`, may: 'key', params: paramsOfBlock, reply: z.object({}) } as const
  return [
    route({
      ...block,
      method: 'put',
      name: 'blockUser',
      summary: 'Blocks blockedId for id: what id writes is kept from blockedId.',
      errors: ['unavailable'],
      async handle({ params: { id, blockedId } }) {
        if (blockedId === id) {
          throw new ConveneError('invalid', 'path: blockedId: expected somebody else than id, got the same person')
        }
        await blocks.block(id, blockedId)
        return {}
      },
    }),
    route({
      ...block,
      method: 'delete',
      name: 'unblockUser',
      summary: 'Takes a block back.',
      errors: ['unavailable'],
      async handle({ params: { id, blockedId } }) {
        await blocks.unblock(id, blockedId)
        return {}
      },
    }),
    route({
      method: 'post',
      path: `${path}/disconnect`,
      name: 'disconnectUser',
      summary: 'Closes all connections of somebody, who may come back at once.',
      may: 'key',
      params,
      reply: ended,
      handle: async ({ params }) => ({ sessions: await people.disconnect(params.id) }),
    }),
    route({
      method: 'post',
      path: `${path}/revoke`,
      name: 'revokeUser',
      summary: 'Ends all sessions of somebody and refuses their tokens: those issued by now, and till then any.',
      may: 'key',
      params,
      body: z.object({ until: until.optional() }).optional(),
      reply: ended,
      errors: ['unavailable'],
      handle: async ({ params, body }) => ({ sessions: await people.revokeUser(params.id, body?.until) }),
    }),
    route({
      method: 'post',
      path: '/api/v1/tokens/revoke',
      name: 'revokeToken',
      summary: 'Ends the sessions of one token, named by its claim jti, and refuses it from now on.',
      may: 'key',
      body: z.object({
        jti: z
          .string()
          .min(1)
          .max(512)
          .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters'),
      }),
      reply: ended,
      errors: ['unavailable'],
      handle: async ({ body }) => ({ sessions: await people.revokeToken(body.jti) }),
    }),
  ]
}
