import { expect, test } from 'vitest'
import { CLIENT_EVENTS } from '../../src/protocol/client-events.ts'
import { allows, ROLES } from '../../src/protocol/roles.ts'
import { apiOf, KEY } from '../support/api.ts'
import { ask, type Client, connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'project:p1'
const members = `/api/v1/channels/${channel}/members`
const messages = `/api/v1/channels/${channel}/messages`
const OUTSIDE = ['shut', 'stranger', 'removed'] as const

/** Bodies that are refused for nothing but the role; where the thing they name is not there, `not_found`. */
const PAYLOADS: Partial<Record<string, Record<string, unknown>>> = {
  'message:send': { content: 'x' },
  'message:edit': { messageId: 'none', content: 'x' },
  'message:delete': { messageId: 'none' },
  'widget:update': { widgetId: 'w', data: {} },
  'widget:delete': { widgetId: 'none' },
  'widget:batch': { operations: [{ type: 'widget:update', payload: { widgetId: 'w', data: {} } }] },
  'layout:update': { layout: {} },
  'layout:restore': { version: 1_000_000 },
  'member:added': { userId: 'nobody-yet', role: 'viewer' },
  'member:changed': { userId: 'no-member', role: 'admin' },
  'member:removed': { userId: 'no-member' },
}
const BODIES: Partial<Record<string, Record<string, unknown>>> = {
  'presence:update': { state: {} },
  'conflict:resolve': { operationId: 'c', documentId: 'layout', resolution: 'theirs', baseVersion: 0 },
  'message:read': { seq: 0 },
  typing: { isTyping: true },
  cursor: { position: 1 },
  signal: { name: 'x', payload: 1 },
}
/** What a client may claim to be. */
const CLAIMED = { user: { id: 'admin' }, userId: 'admin', role: 'admin', origin: 'x', owner: 'admin' }

async function stage() {
  const server = await startServer({ access: 'members', apiKeys: [KEY], rateFactsPerSecond: 100_000 })
  const api = await apiOf(server)
  const people: Record<string, Client> = {}
  for (const name of [...ROLES, ...OUTSIDE]) {
    const role = name === 'shut' ? 'none' : name === 'removed' ? 'admin' : name
    if (name !== 'stranger') await api('PUT', `${members}/${name}`, { role })
    people[name] = await connect(server, name)
    if (role !== 'none' && name !== 'stranger') await join(people[name], channel)
  }
  await api('DELETE', `${members}/removed`)
  return { server, api, people }
}

test('A12 A15 every event for every role, inside and out, over socket, sync and HTTP: what the table says', async () => {
  const { api, people } = await stage()
  let n = 0
  for (const [name, { kind, needs, joined }] of Object.entries(CLIENT_EVENTS)) {
    if (!joined || name === 'channel:leave') continue
    for (const [person, client] of Object.entries(people)) {
      const inside = ROLES.find((role) => role === person)
      const may = inside !== undefined && (needs === null || allows(inside, needs))
      // A document's payload takes no field that is not its own.
      const isStrict = /^(widget|layout):/.test(name)
      const payload = { ...(isStrict ? {} : CLAIMED), ...PAYLOADS[name] }
      const body = { channel, ...CLAIMED, ...BODIES[name], ...(kind === 'fact' && { payload }) }
      const outcomes = [await ask(client, name, body)]
      if (kind === 'fact') {
        const operation = () => ({ ...body, operationId: `o${n++}`, type: name })
        const synced = await expectReply<{ results: typeof outcomes }>(client, 'sync', { operations: [operation()] })
        const posted = await api('POST', '/api/v1/sync', { operations: [operation()] }, tokenFor(person))
        outcomes.push(...synced.results, ...(posted.body.results as typeof outcomes))
      }
      for (const outcome of outcomes) {
        const code = outcome.ok ? 'ok' : (outcome as { error: { code: string } }).error.code
        const what = `${name} by ${person}`
        if (may) expect(['ok', 'not_found', 'conflict'], what).toContain(code)
        else expect(inside ? ['forbidden'] : ['not_joined', 'forbidden'], what).toContain(code)
      }
    }
  }
  const log = await api('GET', `/api/v1/channels/${channel}/events?limit=300`)
  const authors = (log.body.events as { user: { id: string } | null; payload: { n?: string } }[]).map(
    ({ user }) => user,
  )
  // Nobody outside, and nobody under another's name: the admin has no more facts than an admin made.
  for (const name of ['viewer', ...OUTSIDE]) expect(authors.filter((user) => user?.id === name)).toEqual([])
  expect(authors.filter((user) => user?.id === 'commenter').length).toBeGreaterThan(0)
})

test('A13 A15 a person with a token writes and reads as themselves, and learns nothing of a channel that is not theirs', async () => {
  const { api } = await stage()
  await api('POST', messages, { id: 'm1', content: 'kept', userId: 'admin' })
  const token = (name: string) => tokenFor(name)

  for (const name of OUTSIDE) {
    const answers = []
    for (const place of [channel, 'project:never-was']) {
      const path = `/api/v1/channels/${place}/messages`
      for (const [method, at, body] of [
        ['GET', path],
        ['POST', path, { content: 'x' }],
        ['PATCH', `${path}/m1`, { content: 'x' }],
        ['DELETE', `${path}/m1`],
      ] as const) {
        const { status, body: said } = await api(method, at, body, token(name))
        answers.push([place, method, status, said.error?.message] as const)
      }
    }
    // The same words wherever it is, but for the name that was asked for.
    const [real, imagined] = [answers.slice(0, 4), answers.slice(4)].map((half) =>
      half.map(([place, method, status, message]) => [method, status, String(message).replaceAll(place, '…')]),
    )
    expect(real).toEqual(imagined)
    expect(real?.map(([, status]) => status)).toEqual([403, 403, 403, 403])
  }

  for (const [method, path, body] of [
    ['POST', messages, { content: 'x', userId: 'admin' }],
    ['PATCH', `${messages}/m1`, { content: 'x', userId: 'admin' }],
    ['DELETE', `${messages}/m1?userId=admin`, undefined],
    ['GET', `${messages}?userId=admin`, undefined],
    ['PATCH', `${messages}/m1`, { content: 'x' }],
    ['DELETE', `${messages}/m1`, undefined],
  ] as const) {
    expect((await api(method, path, body, token('commenter'))).status, `${method} ${path}`).toBe(403)
  }
  expect(
    (await api('POST', messages, { id: 'm2', content: 'mine', ...{ user: 'admin' } }, token('commenter'))).status,
  ).toBe(200)
  const list = await api('GET', messages)
  expect(list.body.messages).toMatchObject([
    { id: 'm2', content: 'mine', user: { id: 'commenter' } },
    { id: 'm1', content: 'kept', user: { id: 'admin' } },
  ])
})

test("A13 [OP2] another's operationId tells nothing of what it did, on socket or over HTTP", async () => {
  const { api, people } = await stage()
  const { admin, commenter } = people as Record<'admin' | 'commenter', Client>
  const secret = { channel, operationId: 'op', payload: { id: 'm', content: 'a secret' } }
  const sent = await expectReply(admin, 'message:send', secret)
  const answers = [
    await ask(commenter, 'message:send', secret),
    await ask(commenter, 'message:send', { ...secret, payload: { content: 'a guess' } }),
    (await api('POST', messages, { ...secret.payload, operationId: 'op' }, tokenFor('commenter'))).body,
  ]
  for (const answer of answers) {
    expect(answer.error).toMatchObject({ code: 'operation_mismatch' })
    expect(JSON.stringify(answer)).not.toMatch(/secret|admin|"seq"/)
  }
  expect(await ask(admin, 'message:send', secret)).toEqual({ ...sent, duplicate: true })
})
