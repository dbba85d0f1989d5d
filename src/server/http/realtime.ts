import { z } from 'zod'
import type { Author } from '../../protocol/envelope.ts'
import { ERRORS, type ErrorBody } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import type { Role } from '../../protocol/roles.ts'
import type { SyncResult } from '../../protocol/sync.ts'
import type { AccessPolicy } from '../access/policy.ts'
import { dashboardOf } from '../dialects/dashboard-address.ts'
import { type Operation, operationIn } from '../dialects/dashboard-operations.ts'
import { isDeeper } from './depth.ts'
import { authorOf } from './on-behalf.ts'
import { OtherStatus, type Route, route } from './route.ts'

/** Somebody on a plain WebSocket of this family. */
interface Client {
  readonly connection: { readonly id: string; readonly open: boolean }
  readonly session: { readonly userId: string }
  readonly connectedAt: number
  /** Frames that came. */
  readonly heard: number
}

export interface RealtimeOptions {
  readonly production: boolean
  readonly access: AccessPolicy
  /** What knows the facts of older families as well. */
  readonly olderOperations: {
    sync(
      asker: {
        readonly user: Author
        roleIn(channel: string): Role | null
        roleAnew(channel: string): Role | null | Promise<Role | null>
      },
      operations: readonly unknown[],
    ): Promise<SyncResult[]>
  }
  dashboardClients(): Iterable<Client>
}

// As many as the family's clients keep while they are away.
const MAX_OPERATIONS = 500
const PATH = '/api/realtime'
const FAILED = 'Internal server error'

const time = z.iso.datetime()
const failure = z.object({ error: z.string() })
const others = { 400: failure, 401: failure, 413: failure, 429: failure, 500: failure, 503: failure }
const operationId = z.string().optional()
const results = z.array(
  z.discriminatedUnion('status', [
    z.object({ operationId, status: z.literal('success'), type: z.string(), timestamp: time }),
    z.object({ operationId, status: z.literal('error'), error: z.string() }),
  ]),
)
const client = z.object({
  id: z.string(),
  userId: z.string(),
  connectedAt: time,
  messageCount: z.int(),
  isAlive: z.boolean(),
})

/** `/api/realtime`: where the dashboard's clients learn where to connect, and what they do without a connection. */
export function realtimeRoutes(options: RealtimeOptions): readonly Route[] {
  const { production, access, olderOperations, dashboardClients } = options
  const startedAt = performance.now()
  return [
    route({
      method: 'get',
      path: PATH,
      name: 'getRealtime',
      summary: 'Tells a client of the dashboard where to connect, and who it is.',
      may: 'older user or nobody',
      reply: z.object({
        status: z.literal('ready'),
        wsUrl: z.string(),
        userId: z.string().optional(),
        timestamp: time,
      }),
      exact: true,
      failure: toldOf,
      others,
      handle: ({ caller, host }) => ({
        status: 'ready',
        wsUrl: `${production ? 'wss' : 'ws'}://${host}${PATH}`,
        ...(caller && { userId: caller.identity.id }),
        timestamp: new Date().toISOString(),
      }),
    }),
    route({
      method: 'post',
      path: PATH,
      name: 'syncRealtime',
      summary: 'Does operations of a client of the dashboard that has no connection, each with a result, in order.',
      may: 'older user',
      query: z.object({ dashboardId: z.string().optional() }),
      describedBody: z.object({
        type: z.literal('SYNC'),
        operations: z.array(z.unknown()).max(MAX_OPERATIONS),
        dashboardId: z.string().optional(),
      }),
      reply: z.object({ success: z.literal(true), results, timestamp: time }),
      exact: true,
      failure: toldOf,
      others,
      async handle({ query, body, caller: { identity, rate } }) {
        if (body === undefined) return refused('Invalid JSON in request body')
        const { type, operations, dashboardId } = body as Record<string, unknown>
        if (type !== 'SYNC') return refused('Invalid request type')
        if (!Array.isArray(operations)) return refused('Operations must be an array')
        if (operations.length > MAX_OPERATIONS) return refused(`Expected at most ${MAX_OPERATIONS} operations`)
        if (isDeeper(operations, MAX_DEPTH)) {
          return refused(`Expected at most ${MAX_DEPTH} levels of arrays and objects`)
        }
        const wanted = query.dashboardId ?? (typeof dashboardId === 'string' ? dashboardId : undefined)
        const channel = dashboardOf(wanted, identity.id)
        if (typeof channel !== 'string') return refused(channel.message)
        rate.charge(Math.max(0, operations.length - 1))
        const done = await sync(operations, channel, authorOf(identity), () => access.role(identity, channel))
        return { success: true, results: done, timestamp: new Date().toISOString() }
      },
    }),
    route({
      method: 'get',
      path: `${PATH}/stats`,
      name: 'getRealtimeStats',
      summary: "Lists the dashboard's clients on this node.",
      may: 'key',
      reply: z.object({
        clientCount: z.int(),
        clients: z.array(client),
        uptime: z.number().describe('s'),
        timestamp: time,
      }),
      exact: true,
      handle() {
        const clients = Array.from(dashboardClients(), ({ connection, session, connectedAt, heard }) => ({
          id: connection.id,
          userId: session.userId,
          connectedAt: new Date(connectedAt).toISOString(),
          messageCount: heard,
          isAlive: connection.open,
        }))
        return {
          clientCount: clients.length,
          clients,
          uptime: Math.floor((performance.now() - startedAt) / 1000),
          timestamp: new Date().toISOString(),
        }
      },
    }),
  ]

  async function sync(
    given: readonly unknown[],
    channel: string,
    user: Author,
    roleNow: () => Role | null | Promise<Role | null>,
  ): Promise<z.infer<typeof results>> {
    const role = await roleNow()
    const asker = { user, roleIn: () => role, roleAnew: roleNow }
    const operations = given.map((one) => operationIn(one, channel, user.id))
    const asked = operations.filter((one) => 'ask' in one)
    const answers = await olderOperations.sync(
      asker,
      Array.from(asked, ({ ask }) => ask),
    )
    const answerTo = new Map<Operation, SyncResult | undefined>(asked.map((one, i) => [one, answers[i]]))
    // A widget that only the app's own database knows is gone for the others all the same.
    const unknown = asked.filter((one) => isNotFound(answerTo.get(one)))
    const told = await olderOperations.sync(
      asker,
      Array.from(unknown, ({ instead }) => instead),
    )
    for (const [i, one] of unknown.entries()) answerTo.set(one, told[i])
    return operations.map((one) => resultOf(one, answerTo.get(one)))
  }
}

function resultOf(operation: Operation, answer: SyncResult | undefined): z.infer<typeof results>[number] {
  const { operationId, type } = operation
  const id = operationId !== undefined && { operationId }
  if ('error' in operation) return { ...id, status: 'error', error: operation.error }
  if (!answer?.ok) return { ...id, status: 'error', error: answer?.error.message ?? FAILED }
  return { ...id, status: 'success', type, timestamp: new Date(answer.timestamp).toISOString() }
}

function isNotFound(answer: SyncResult | undefined): boolean {
  return answer?.ok === false && answer.error.code === 'not_found'
}

function refused(error: string): OtherStatus {
  return new OtherStatus(400, { error })
}

/** A failure in the family's words. */
function toldOf({ code, message, retryAfterMs, details }: ErrorBody): OtherStatus {
  switch (code) {
    case 'unauthenticated':
    case 'token_expired':
    case 'revoked':
      return new OtherStatus(401, { error: 'Unauthorized: Authentication required for sync operations' })
    case 'invalid':
      return refused(details ? message : 'Invalid JSON in request body')
    case 'unavailable':
      return new OtherStatus(500, { error: 'Authentication service unavailable' })
    case 'internal':
      return new OtherStatus(500, { error: FAILED })
    default: {
      const headers = retryAfterMs === undefined ? {} : { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) }
      return new OtherStatus(ERRORS[code].http ?? 500, { error: message }, headers)
    }
  }
}
