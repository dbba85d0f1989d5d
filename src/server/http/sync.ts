import type { ClientEvent } from '../../protocol/client-events.ts'
import type { Author } from '../../protocol/envelope.ts'
import type { Role } from '../../protocol/roles.ts'
import { type SyncResult, syncBody, syncOperation, syncReply } from '../../protocol/sync.ts'
import type { AccessPolicy } from '../access/policy.ts'
import { authorOf } from './on-behalf.ts'
import { RolesNow } from './roles-now.ts'
import { type Route, route } from './route.ts'

export interface SyncOptions {
  readonly events: ReadonlyMap<string, ClientEvent>
  readonly access: AccessPolicy
  readonly operations: {
    sync(
      asker: {
        readonly user: Author
        roleIn(channel: string): Role | null
        roleAnew(channel: string): Role | null | Promise<Role | null>
        inTurn<T>(channel: string, body: unknown, serve: () => Promise<T>): Promise<T>
      },
      operations: readonly unknown[],
    ): Promise<SyncResult[]>
  }
}

/** `POST /api/v1/sync`: the HTTP fallback of `sync`, for who has no socket. */
export function syncRoutes({ access, events, operations }: SyncOptions): readonly Route[] {
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
        const roles = new RolesNow((channel) => access.role(identity, channel))
        await roles.warm(channelsOf(body.operations, events))
        const asker = {
          user: authorOf(identity),
          roleIn: (channel: string) => roles.of(channel),
          roleAnew: (channel: string) => access.role(identity, channel),
          inTurn: async <T>(channel: string, _body: unknown, serve: () => Promise<T>) => {
            await roles.ask(channel)
            return serve()
          },
        }
        return { results: await operations.sync(asker, body.operations) }
      },
    }),
  ]
}

/** Where the operations want something. About what cannot be done anyway nobody is asked. */
function channelsOf(operations: readonly unknown[], events: ReadonlyMap<string, ClientEvent>): Set<string> {
  const parsed = operations.map((one) => syncOperation.safeParse(one).data)
  return new Set(parsed.flatMap((one) => (one && events.get(one.type)?.kind === 'fact' ? [one.channel] : [])))
}
