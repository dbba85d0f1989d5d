import { z } from 'zod'
import { kindOf } from '../../protocol/channel.ts'
import type { Channels } from '../channels/channels.ts'
import type { ClusterHealth } from '../cluster/cluster.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Store } from '../store/store.ts'
import { OtherStatus, type Route, route } from './route.ts'

export interface HealthOptions {
  readonly channels: Channels
  readonly sessions: Sessions
  readonly store: Store
  readonly cluster: { readonly health: ClusterHealth }
  isDraining(): boolean
}

const STORE_ANSWERS_WITHIN_MS = 2000
// Everybody may ask, and counting goes through every membership.
const PROJECTS_COUNT_FOR_MS = 1000

/** In the words of older callers: `clients` are the connections, `rooms` the projects with members. */
const health = z.object({
  status: z.literal('healthy'),
  service: z.literal('Convene'),
  timestamp: z.int().describe('ms since 1970'),
  uptime: z.number().describe('s'),
  connections: z.int(),
  clients: z.int(),
  rooms: z.int(),
  projects: z.int(),
})

const readiness = z.object({
  status: z.enum(['ok', 'degraded', 'unavailable']),
  checks: z.object({
    store: z.enum(['ok', 'unavailable']),
    redis: z.enum(['off', 'ok', 'degraded']).describe('degraded: it is away, and other nodes are told with a delay'),
    draining: z.boolean(),
  }),
})

/** Public: is it there, does it live, is it ready? */
export function healthRoutes({ channels, sessions, store, cluster, isDraining }: HealthOptions): readonly Route[] {
  const startedAt = performance.now()
  let projects = 0
  let countAgainAt = 0

  function countProjects(): number {
    if (performance.now() < countAgainAt) return projects
    projects = 0
    for (const { channel } of channels.occupied()) if (kindOf(channel) === 'project') projects++
    countAgainAt = performance.now() + PROJECTS_COUNT_FOR_MS
    return projects
  }

  function describeHealth(): z.infer<typeof health> {
    return {
      status: 'healthy',
      service: 'Convene',
      timestamp: Date.now(),
      uptime: (performance.now() - startedAt) / 1000,
      connections: sessions.size,
      clients: sessions.size,
      rooms: countProjects(),
      projects: countProjects(),
    }
  }
  const healthRow = { method: 'get', may: 'public', reply: health, exact: true, handle: describeHealth } as const

  return [
    route({
      ...healthRow,
      path: '/health',
      name: 'getHealth',
      summary: 'Says that it is there, and how much it serves.',
    }),
    route({
      ...healthRow,
      path: '/',
      name: 'getRoot',
      summary: 'As /health, to all but browsers where there is a demo.',
    }),
    route({
      method: 'get',
      path: '/livez',
      name: 'getLiveness',
      summary: 'Says that the process lives.',
      may: 'public',
      reply: z.object({ status: z.literal('ok') }),
      exact: true,
      handle: () => ({ status: 'ok' as const }),
    }),
    route({
      method: 'get',
      path: '/readyz',
      name: 'getReadiness',
      summary: 'Says whether it can serve, for load balancers: 503 when the store is away or the server drains.',
      may: 'public',
      reply: readiness,
      exact: true,
      others: { 503: readiness },
      async handle() {
        const draining = isDraining()
        const redis = cluster.health
        const reachable = await answers(store.ping())
        const ready = reachable && !draining
        const body: z.infer<typeof readiness> = {
          status: ready ? (redis === 'degraded' ? 'degraded' : 'ok') : 'unavailable',
          checks: { store: reachable ? 'ok' : 'unavailable', redis, draining },
        }
        return ready ? body : new OtherStatus(503, body)
      },
    }),
  ]
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
