import { Router } from 'express'
import { idOf, kindOf } from '../../protocol/channel.ts'
import type { Channels } from '../channels/channels.ts'
import type { Sessions } from '../session/sessions.ts'

/** `GET /stats`: who is connected where, by channel and by node. */
export function statsRoutes(channels: Channels, sessions: Sessions, serverId: string): Router {
  const router = Router()
  router.get('/stats', (_request, response) => {
    const occupied = [...channels.occupied()]
    const projects = occupied.filter(({ channel }) => kindOf(channel) === 'project')
    response.json({
      totalClients: sessions.size,
      totalProjects: projects.length,
      projectStats: Object.fromEntries(
        projects.map((project) => [
          idOf(project.channel),
          { clientCount: project.sessions.length, clients: project.sessions },
        ]),
      ),
      channels: Object.fromEntries(occupied.map((entry) => [entry.channel, { sessions: entry.sessions.length }])),
      nodes: { [serverId]: { sessions: sessions.size, channels: occupied.length } },
    })
  })
  return router
}
