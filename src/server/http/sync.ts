import { isChannelAddress } from '../../protocol/channel.ts'
import type { Author } from '../../protocol/envelope.ts'
import type { Role } from '../../protocol/roles.ts'
import { type SyncResult, syncBody, syncReply } from '../../protocol/sync.ts'
import type { AccessPolicy } from '../access/policy.ts'
import type { Identity } from '../auth/identity.ts'
import { authorOf } from './on-behalf.ts'
import { type Route, route } from './route.ts'

export interface SyncOptions {
  readonly access: AccessPolicy
  readonly operations: {
    sync(
      asker: { readonly user: Author; roleIn(channel: string): Role | null },
      operations: readonly unknown[],
    ): Promise<SyncResult[]>
  }
}

/** `POST /api/v1/sync`: the HTTP fallback of `sync`, for who has no socket. */
export function syncRoutes({ access, operations }: SyncOptions): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/api/v1/sync',
      name: 'sync',
      summary: 'Does operations that were made while away, each with a result, in order.',
      may: 'user',
      body: syncBody,
      reply: syncReply,
      async handle({ body, caller: { identity, rate } }) {
        rate.charge(Math.max(0, body.operations.length - 1))
        const roleIn = await rolesOf(identity, body.operations, access)
        return { results: await operations.sync({ user: authorOf(identity), roleIn }, body.operations) }
      },
    }),
  ]
}

/** Somebody's roles where the operations want something. Where one cannot be had, only what is wanted there fails. */
async function rolesOf(identity: Identity, operations: readonly unknown[], access: AccessPolicy) {
  const channels = operations.map((one) => (one as { channel?: unknown } | null)?.channel)
  const named = [...new Set(channels)].filter((name) => typeof name === 'string' && isChannelAddress(name)) as string[]
  const answers = await Promise.allSettled(named.map(async (channel) => access.role(identity, channel)))
  const roles = new Map(named.map((channel, i) => [channel, answers[i]]))
  return (channel: string): Role | null => {
    const answer = roles.get(channel)
    if (answer?.status === 'rejected') throw answer.reason
    return answer?.value ?? null
  }
}
