import { expect } from 'vitest'
import { KEY } from './api.ts'
import { type Frame, openPlain, type Plain } from './plain.ts'
import type { TestServer } from './start-server.ts'
import { tokenFor } from './token.ts'

/** What clients of `/ws` say that is passed on to their project. */
export const RELAYED = [
  'TASK_CREATE',
  'TASK_UPDATE',
  'TASK_DELETE',
  'COMMENT_CREATE',
  'COMMENT_UPDATE',
  'COMMENT_DELETE',
  'PROJECT_UPDATE',
]

/** A client of `/ws` that has been greeted. */
export interface TaskClient extends Plain {
  readonly clientId: string
}

/** Opens `/ws` and waits for the greeting; as nobody without a name. */
export async function openTasks(server: TestServer, userId?: string, claims = {}): Promise<TaskClient> {
  const query = userId === undefined ? '' : `?token=${tokenFor(userId, claims)}`
  const plain = await openPlain(server, `/ws${query}`)
  const { clientId } = await plain.expect('CONNECTION_ESTABLISHED')
  return Object.assign(plain, { clientId: clientId as string })
}

/** People who have joined a project one after the other; what they were told of it is taken. */
export async function together<const Ids extends readonly string[]>(
  server: TestServer,
  projectId: string,
  ...userIds: Ids
): Promise<{ [N in keyof Ids]: TaskClient }> {
  const clients: TaskClient[] = []
  for (const userId of userIds) {
    const client = await openTasks(server, userId)
    client.say({ type: 'JOIN_PROJECT', projectId })
    clients.push(client)
    for (const one of clients) await listed(one, userIds.slice(0, clients.length))
  }
  for (const client of clients) client.taken()
  return clients as { [N in keyof Ids]: TaskClient }
}

/** Waits until a client is told that these are here, in this order. */
export function listed(client: Plain, userIds: readonly string[], more: (frame: Frame) => boolean = () => true) {
  return client.expect('USER_PRESENCE', (frame) => isDeep(usersOf(frame), userIds) && more(frame))
}

export function usersOf(frame: Frame): string[] {
  return activeUsers(frame).map(({ userId }) => userId)
}

export function activeUsers({ payload }: Frame) {
  return payload?.activeUsers as { userId: string; clientId: string; joinedAt: number; initials: string }[]
}

/** A frame without what [D5] allows to be added. */
export function bare({ epoch: _epoch, seq: _seq, channel: _channel, ...frame }: Frame): Frame {
  return frame
}

/** Has the app's server say something to everybody in a project, which is the last of what they were told by then. */
export async function marked(server: TestServer, projectId: string, clients: readonly Plain[]): Promise<Frame[][]> {
  const mark = `mark-${Math.random()}`
  const { status } = await broadcast(server, { type: 'TEST', projectId, payload: { mark } })
  expect(status).toBe(200)
  return Promise.all(
    clients.map(async (client) => {
      await client.expect('TEST', ({ payload }) => payload?.mark === mark)
      const taken = client.taken()
      return taken.filter(({ payload }) => payload?.mark !== mark)
    }),
  )
}

export async function broadcast(server: TestServer, body: unknown, headers: object = { 'x-api-key': KEY }, path = '') {
  const response = await fetch(`${server.url}${path}/broadcast`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

function isDeep(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
