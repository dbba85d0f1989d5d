import { Router } from 'express'
import { kindOf } from '../../protocol/channel.ts'
import type { Channels } from '../channels/channels.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Store } from '../store/store.ts'

export interface HealthOptions {
  readonly channels: Channels
  readonly sessions: Sessions
  readonly store: Store
  readonly serverId: string
  isDraining(): boolean
}

const STORE_ANSWERS_WITHIN_MS = 2000

/** Public: is it there, does it live, is it ready? */
export function healthRoutes(options: HealthOptions): Router {
  const { channels, sessions, store } = options
  const router = Router()
  const startedAt = performance.now()

  router.get(['/health', '/'], (_request, response) => {
    const rooms = channels.size
    const projects = [...channels.occupied()].filter(({ channel }) => kindOf(channel) === 'project').length
    response.json({
      status: 'healthy',
      service: 'Convene',
      timestamp: Date.now(),
      uptime: (performance.now() - startedAt) / 1000,
      connections: sessions.size,
      clients: sessions.size,
      rooms,
      projects,
    })
  })

  router.get('/livez', (_request, response) => {
    response.json({ status: 'ok' })
  })

  router.get('/readyz', async (_request, response) => {
    const draining = options.isDraining()
    const reachable = await answers(store.ping())
    const ready = reachable && !draining
    response.status(ready ? 200 : 503).json({
      status: ready ? 'ok' : 'unavailable',
      checks: { store: reachable ? 'ok' : 'unavailable', redis: 'off', draining },
    })
  })

  return router
}

async function answers(asked: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), STORE_ANSWERS_WITHIN_MS)
  })
  const reached = asked.then(
    () => true,
    () => false,
  )
  return Promise.race([reached, late]).finally(() => clearTimeout(timer))
}
