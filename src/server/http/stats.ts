import { z } from 'zod'
import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Channels } from '../channels/channels.ts'
import type { Sessions } from '../session/sessions.ts'
import { type Route, route } from './route.ts'

export interface StatsOptions {
  readonly channels: Channels
  readonly sessions: Sessions
  readonly nodeCounts: { all(): Promise<Record<string, { sessions: number; channels: number }>> }
}

const stats = z.object({
  totalClients: z.int().describe('On the node that answers, as are the channels.'),
  totalProjects: z.int(),
  projectStats: z.record(z.string(), z.object({ clientCount: z.int(), clients: z.array(z.string()) })),
  channels: z.record(z.string(), z.object({ sessions: z.int() })),
  nodes: z.record(z.string(), z.object({ sessions: z.int(), channels: z.int() })),
})

/** `GET /stats`: who is connected where. */
export function statsRoutes({ channels, sessions, nodeCounts }: StatsOptions): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/stats',
      name: 'getStats',
      summary: 'Counts sessions by channel and by node.',
      may: 'key',
      reply: stats,
      exact: true,
      async handle() {
        const occupied = [...channels.occupied()]
        const projects = occupied.filter(({ channel }) => kindOf(channel) === 'project')
        return {
          totalClients: sessions.size,
          totalProjects: projects.length,
          projectStats: Object.fromEntries(
            projects.map((project) => [
              idOf(project.channel),
              { clientCount: project.sessions.length, clients: project.sessions },
            ]),
          ),
          channels: Object.fromEntries(occupied.map((entry) => [entry.channel, { sessions: entry.sessions.length }])),
          nodes: await nodeCounts.all(),
        }
      },
    }),
  ]
}
