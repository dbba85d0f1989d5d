import { describe, expect, test } from 'vitest'
import { connect, expectReply, factsOf, join } from '../support/connect.ts'
import { as, openPlain, plainTo } from '../support/plain.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const KEY = 'a-key-of-the-tests-that-is-long-enough'
const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const

/** How each family is told that it is somebody no more. */
const REVOKED = { code: 4501, reason: 'Access was revoked; sign in again' }
const UNAUTHORIZED = { code: 1008, reason: 'Unauthorized' }

async function tell(server: TestServer, path: string): Promise<void> {
  const headers = { 'x-api-key': KEY, 'content-type': 'application/json' }
  const answer = await fetch(server.url + path, { method: 'POST', headers, body: '{}' })
  expect(answer.status).toBe(200)
}

/** How many sessions there are, on all nodes. */
async function connections(server: TestServer): Promise<number> {
  const counts = await Promise.all(
    server.nodes.map(async ({ url }) => {
      const health = (await (await fetch(`${url}/health`)).json()) as { connections: number }
      return health.connections
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

describe.each(DOORS)('%s', (path) => {
  test('[LIFE2] [ERR1] who is revoked is sent away on every node, and not let in again; nobody else is', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const token = `?token=${tokenFor('ann', { iat: Math.floor(Date.now() / 1000) - 5 })}`
    const anns = [await openPlain(server, path + token), await openPlain(server, path + token)]
    const bens = [await openPlain(server, path + as('ben')), await openPlain(server, path + as('ben'))]
    await until('all are in', async () => (await connections(server)) === 4)
    await tell(server, '/api/v1/users/ann/revoke')
    const end = path.endsWith('/realtime') ? UNAUTHORIZED : REVOKED
    for (const ann of anns) expect(await ann.closed).toEqual(end)
    expect((await plainTo(server, path + token).closed).code).toBe(end.code)
    await until('only ben is left', async () => (await connections(server)) === 2)
    for (const { ws } of bens) expect(ws.readyState).toBe(ws.OPEN)
  })

  test('[ERR1] whom the service API disconnects is closed with 4001 on every node, and comes back', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const anns = [await openPlain(server, path + as('ann')), await openPlain(server, path + as('ann'))]
    const ben = await openPlain(server, path + as('ben'))
    await until('all are in', async () => (await connections(server)) === 3)
    await tell(server, '/api/v1/users/ann/disconnect')
    for (const ann of anns) expect(await ann.closed).toMatchObject({ code: 4001 })
    await openPlain(server, path + as('ann'))
    expect(ben.ws.readyState).toBe(ben.ws.OPEN)
  })

  test('[ERR1] of a person’s connections one too many, on whichever node, is closed with 4009', async () => {
    const server = await startServer({ maxConnectionsPerUser: 2 })
    for (let n = 1; n <= 2; n++) {
      await openPlain(server, path + as('ann'))
      await until('it counts', async () => (await connections(server)) === n)
    }
    expect(await plainTo(server, path + as('ann')).closed).toMatchObject({ code: 4009 })
  })
})

test('[SEQ3] what is published on any node comes to plain clients of every node as to the others: all, once, in order', async () => {
  const server = await startServer()
  const nia = await connect(server, 'nia')
  await join(nia, 'project:p1')
  const plains = []
  for (const name of ['ann', 'ben', 'cem']) {
    const plain = await openPlain(server, `/ws${as(name)}`)
    plain.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await plain.expect('USER_PRESENCE', ({ payload }) => payload?.projectId === 'p1')
    plains.push(plain)
  }
  const facts = Array.from({ length: 200 }, (_, n) =>
    server.nodes[n % server.nodes.length]?.server.publish('project:p1', { type: 'task:update', payload: { id: n } }),
  )
  await Promise.all(facts)
  await until('all have come', () => factsOf(nia, 'project:p1').length === 200)
  const order = factsOf(nia, 'project:p1').map(({ payload }) => payload.id)
  for (const plain of plains) {
    const updates = await plain.expectCount(200, ({ type }) => type === 'TASK_UPDATE')
    expect(updates.map(({ payload }) => payload?.id)).toEqual(order)
    expect(updates.map(({ seq }) => seq)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1))
  }
})

test('[PRE3] a plain client that closes, with 1000 or no code, has left at once; one that is lost is waited for', async () => {
  const server = await startServer({ presenceGraceMs: 60_000 })
  const nia = await connect(server, 'nia')
  await join(nia, 'project:p1')
  const present = async () => {
    const { members } = await expectReply<{ members: { user: { id: string } }[] }>(nia, 'presence:list', {
      channel: 'project:p1',
    })
    return members.map(({ user }) => user.id).sort()
  }
  const plains = new Map<string, Awaited<ReturnType<typeof openPlain>>>()
  for (const name of ['code', 'none', 'lost', 'away']) {
    const plain = await openPlain(server, `/ws${as(name)}`)
    plain.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await plain.expect('USER_PRESENCE')
    plains.set(name, plain)
  }
  await expect.poll(present, { timeout: 20_000 }).toEqual(['away', 'code', 'lost', 'nia', 'none'])
  plains.get('lost')?.ws.terminate()
  // A page that is loaded anew.
  plains.get('away')?.ws.close(1001)
  await until('they are gone', async () => (await connections(server)) === 3)
  plains.get('code')?.ws.close(1000)
  plains.get('none')?.ws.close()
  await expect.poll(present, { timeout: 20_000 }).toEqual(['away', 'lost', 'nia'])
})
