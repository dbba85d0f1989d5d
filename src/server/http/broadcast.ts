import { Router } from 'express'
import { z } from 'zod'
import { isChannelAddress } from '../../protocol/channel.ts'
import { parseBody } from '../../protocol/errors.ts'
import type { Channels } from '../channels/channels.ts'
import type { ServicePublish } from './publish.ts'

const project = z.object({
  projectId: z
    .string()
    .refine(
      (id) => isChannelAddress(`project:${id}`),
      'expected an id of at most 128 letters, digits and _ . @ -, like p1',
    )
    .optional(),
})

/** `POST /broadcast`: one fact from an app's server to everybody in a project. */
export function broadcastRoutes(channels: Channels, publish: ServicePublish): Router {
  const router = Router()

  router.post('/broadcast', async (request, response) => {
    const { type, projectId, channel, ...rest } = (request.body ?? {}) as Record<string, unknown>
    if (!type || (!projectId && !channel)) {
      // The words that existing callers know.
      response.status(400).json({ error: 'Missing required fields: type, projectId' })
      return
    }
    parseBody(project, { projectId }, 'broadcast')
    const address = channel ?? `project:${projectId}`
    const { epoch, seq, operationId, duplicate } = await publish(address, { ...rest, type: canonicalType(type) })
    response.json({
      success: true,
      message: 'Broadcast sent',
      projectId: projectId ?? null,
      channel: address,
      clientCount: channels.sessionsIn(String(address)),
      epoch,
      seq,
      operationId,
      ...(duplicate && { duplicate }),
    })
  })

  return router
}

/** `TASK_UPDATE` is `task:update`; what is written in our way stays as it is. */
function canonicalType(type: unknown): unknown {
  if (typeof type !== 'string' || !/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(type)) return type
  return type.toLowerCase().replace('_', ':').replaceAll('_', '-')
}
