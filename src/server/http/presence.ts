import { z } from 'zod'
import { channelAddress } from '../../protocol/channel.ts'
import { type PresenceList, presenceList } from '../../protocol/presence.ts'
import { type Route, route } from './route.ts'

export interface PresenceOptions {
  readonly presence: { read(channel: string): Promise<PresenceList> }
}

/** `GET /api/v1/channels/:channel/presence`: who is here now. */
export function presenceRoutes({ presence }: PresenceOptions): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/api/v1/channels/:channel/presence',
      name: 'listPresence',
      summary: 'Lists who is in a channel now, one entry a user.',
      may: 'key',
      params: z.object({ channel: channelAddress }),
      reply: presenceList,
      handle: ({ params }) => presence.read(params.channel),
    }),
  ]
}
