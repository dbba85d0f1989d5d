import { describe, expect, test } from 'vitest'
import type { Envelope, FactReply } from '../../src/protocol/envelope.ts'
import type { MemberRole } from '../../src/protocol/members.ts'
import type { PresenceList } from '../../src/protocol/presence.ts'
import type { ServerOptions } from '../../src/server/server.ts'
import { json, type Question, startApp } from '../server/access/app.ts'
import { KEY } from '../support/api.ts'
import {
  ask,
  type Client,
  type ConnectOptions,
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  type Refusal,
  settle,
  TRANSPORTS,
} from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const WEBHOOK_SECRET = 'a-secret-of-the-webhook-that-is-long-enough'
const channel = 'project:p1'
const SECRET = 'not for ben'

const asking = ({ url }: { url: string }) => ({ accessWebhookUrl: url, accessWebhookSecret: WEBHOOK_SECRET })
const start = (options: ServerOptions = {}) => startServer({ access: 'members', apiKeys: [KEY], ...options })

async function call(server: TestServer, method: string, userId: string, body?: unknown, where: string = channel) {
  const response = await fetch(`${server.url}/api/v1/channels/${where}/members/${userId}`, {
    method,
    headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

async function set(server: TestServer, userId: string, role: MemberRole): Promise<void> {
  expect(await call(server, 'PUT', userId, { role })).toMatchObject({ status: 200, body: { member: { userId, role } } })
}

async function remove(server: TestServer, userId: string): Promise<void> {
  expect(await call(server, 'DELETE', userId)).toMatchObject({ status: 200 })
}

/** Members with roles, there. */
async function membersOf(server: TestServer, roles: Record<string, MemberRole>, options: ConnectOptions = {}) {
  const clients: Client[] = []
  for (const [userId, role] of Object.entries(roles)) {
    await set(server, userId, role)
    const client = await connect(server, userId, options)
    await join(client, channel)
    clients.push(client)
  }
  return clients
}

/** Has something done as a client's request arrives, right before it is served: so both are on their way at once. */
function asItArrives(server: TestServer, client: Client, event: string, done: () => void): void {
  const socket = server.nodeOf(client).server.io.sockets.sockets.get(client.connected.socketId)
  const once = (name: string) => {
    if (name !== event) return
    socket?.offAny(once)
    done()
  }
  socket?.prependAny(once)
}

/** Waits until the server has noticed that somebody's connection is gone. */
function expectLost(server: TestServer, { connected }: Client): Promise<void> {
  const { sockets } = server.nodeOf({ connected }).server.io.sockets
  return until(`${connected.userId} is lost`, () => !sockets.has(connected.socketId))
}

/** What was told of the channel: facts as `seq type`, all else by its name. */
function told({ received }: Client): string[] {
  return received.flatMap(({ event, body }) => {
    const { channel: where, seq } = (body ?? {}) as Partial<Envelope>
    return where !== channel ? [] : seq === undefined ? event : `${seq} ${event}`
  })
}

const edit = (client: Client) => ask(client, 'task:update', { channel, payload: {} })
const codeOf = (reply: { ok: boolean }) => (reply.ok ? 'ok' : (reply as Refusal).error.code)

describe.each(TRANSPORTS)('members over %s', (transport) => {
  test.each(['open', 'claims', 'members', 'webhook'] as const)('a row wins over ACCESS=%s', async (access) => {
    const app = await startApp()
    const server = await start({ access, ...(access === 'webhook' && asking(app)) })
    const token = tokenFor('ann', { channels: [channel] })
    const ann = await connect(server, 'ann', { transport, token })
    const without = access === 'members' ? 'forbidden' : 'editor'
    const roleNow = async () => {
      const reply = await ask(ann, 'channel:join', { channel })
      return reply.ok ? reply.role : codeOf(reply)
    }
    const putOut = async () => {
      await expectEvent(ann, 'channel:left')
      ann.received.length = 0
    }
    expect(await roleNow()).toBe(without)
    await set(server, 'ann', 'viewer')
    if (without === 'editor') expect(codeOf(await edit(ann))).toBe('forbidden')
    expect(await roleNow()).toBe('viewer')
    await set(server, 'ann', 'editor')
    expect(codeOf(await edit(ann))).toBe('ok')
    await set(server, 'ann', 'none')
    await putOut()
    expect(await roleNow()).toBe('forbidden')
    await expectReply(ann, 'auth:refresh', { token })
    expect(await roleNow()).toBe('forbidden')
    await set(server, 'ann', 'commenter')
    expect(await roleNow()).toBe('commenter')
    expect(codeOf(await edit(ann))).toBe('forbidden')
    await remove(server, 'ann')
    await putOut()
    expect(await roleNow()).toBe(without)
    // Refreshing asks the policy, where there is no row any more.
    await expectReply(ann, 'auth:refresh', { token })
    expect(codeOf(await edit(ann))).toBe(without === 'editor' ? 'ok' : 'not_joined')
  })

  test('[FACT3] [JOIN7] every tab of the removed is told of it, and nothing after it; all others are told everything', async () => {
    const server = await start()
    const [ann, ben] = (await membersOf(server, { ann: 'editor', ben: 'editor' }, { transport })) as [Client, Client]
    const tab = await connect(server, 'ben', { transport })
    await join(tab, channel)
    for (const client of [ben, tab]) await expectReply(client, 'typing', { channel, isTyping: true })
    for (const client of [ann, ben, tab]) await settle(client)
    for (const client of [ann, ben, tab]) client.received.length = 0
    const publish = (type: string, payload: Record<string, unknown>) =>
      server.server.publish(channel, { type, payload })
    await Promise.all([
      publish('task:update', {}),
      publish('member:removed', { userId: 'ben' }),
      publish('task:update', { SECRET }),
      publish('message:send', { content: SECRET }),
    ])
    await expectEvent(ann, 'message:send')
    // What an app emits by hand goes another way between nodes than facts do, and may be there sooner.
    for (const client of [ben, tab]) await expectEvent(client, 'channel:left', () => true)
    server.server.io.to(channel).emit('app:said', { channel })
    await expectReply(ann, 'presence:update', { channel, state: { SECRET } })
    await expectReply(ann, 'typing', { channel, isTyping: true })
    await expectReply(ann, 'signal', { channel, name: 'wave', payload: { SECRET } })
    for (const client of [ben, tab]) {
      await expectNothing(client, 'app:said')
      expect(told(client)).toEqual(['3 task:update', '4 member:removed', 'channel:left'])
      expect((await expectEvent(client, 'channel:left')) as unknown).toEqual({ channel, reason: 'removed' })
    }
    await expectEvent(ann, 'presence:leave')
    const facts = told(ann).filter((event) => !['typing', 'presence:leave'].includes(event))
    expect(facts).toEqual(['3 task:update', '4 member:removed', '5 task:update', '6 message:send', 'app:said'])
    expect(told(ann).indexOf('presence:leave')).toBeGreaterThan(told(ann).indexOf('4 member:removed'))
    const requests = ['channel:history', 'message:list', 'document:list', 'presence:list', 'channel:leave']
    for (const request of requests) expect((await expectRefusal(ben, request, { channel })).code).toBe('not_joined')
    expect(codeOf(await edit(ben))).toBe('not_joined')
    const since = { epoch: (await expectEvent(ann, 'message:send')).epoch, seq: 0 }
    expect((await expectRefusal(ben, 'channel:join', { channel, since })).code).toBe('forbidden')
    expect((await expectReply<PresenceList>(ann, 'presence:list', { channel })).connections).toBe(1)
    expect(JSON.stringify([ben.received, tab.received])).not.toContain(SECRET)
  })

  test('[FACT3] who is added again may read all of it, the time in between as well', async () => {
    const server = await start()
    const [, ben] = (await membersOf(server, { ann: 'editor', ben: 'editor' }, { transport })) as [Client, Client]
    await remove(server, 'ben')
    await server.server.publish(channel, { type: 'task:update', payload: {} })
    await set(server, 'ben', 'viewer')
    await expectEvent(ben, 'channel:left')
    expect(await edit(ben)).toMatchObject({ ok: false, error: { code: 'not_joined' } })
    const { events, role } = await join(ben, channel, { last: 10 })
    expect({ role, seqs: events.map(({ seq }) => seq) }).toEqual({ role: 'viewer', seqs: [1, 2, 3, 4, 5] })
  })

  test('[FACT2] an admin changes members, nobody else does', async () => {
    const server = await start()
    const roles = { ann: 'admin', ben: 'editor', cid: 'viewer' } as const
    const [ann, ben, cid] = (await membersOf(server, roles, { transport })) as [Client, Client, Client]
    for (const client of [ben, cid]) {
      for (const [type, payload] of [
        ['member:added', { userId: 'dan', role: 'admin' }],
        ['member:changed', { userId: 'ben', role: 'admin' }],
        ['member:changed', { userId: 'cid', role: 'admin' }],
        ['member:removed', { userId: 'ann' }],
      ] as const) {
        expect((await expectRefusal(client, type, { channel, payload })).code).toBe('forbidden')
        const operation = { operationId: 'op', channel, type, payload }
        const { results } = await expectReply<{ results: object[] }>(client, 'sync', { operations: [operation] })
        expect(results).toMatchObject([{ ok: false, error: { code: 'forbidden' } }])
      }
    }
    const added = { channel, payload: { userId: 'dan', role: 'viewer' } }
    expect(await expectReply<FactReply>(ann, 'member:added', added)).toMatchObject({ seq: 4 })
    expect((await expectEvent(ben, 'member:added', ({ seq }) => seq === 4)).payload).toEqual(added.payload)
    await expectReply(ann, 'member:changed', { channel, payload: { userId: 'ben', role: 'viewer' } })
    expect(codeOf(await edit(ben))).toBe('forbidden')
    await expectReply(ann, 'member:removed', { channel, payload: { userId: 'cid' } })
    await expectEvent(cid, 'channel:left')
    // The last admin may go as well; an app's server is always there.
    expect(await expectReply<FactReply>(ann, 'member:removed', { channel, payload: { userId: 'ann' } })).toMatchObject({
      seq: 7,
    })
    await expectEvent(ann, 'channel:left')
    expect((await expectRefusal(ann, 'channel:join', { channel })).code).toBe('forbidden')
    expect((await call(server, 'GET', '')).body).toMatchObject({
      members: expect.arrayContaining([
        { userId: 'ben', role: 'viewer' },
        { userId: 'dan', role: 'viewer' },
      ]),
    })
  })

  test('[FACT3] what cannot be is refused with a word, and nothing is stored', async () => {
    const server = await start()
    const [ann] = (await membersOf(server, { ann: 'admin' }, { transport })) as [Client]
    const refused = async (type: string, payload: Record<string, unknown>) => {
      const { code, message } = await expectRefusal(ann, type, { channel, payload })
      const byServer = await server.server.publish(channel, { type, payload }).catch((error: unknown) => error)
      expect(byServer).toMatchObject({ code })
      return `${code}: ${message}`
    }
    expect(await refused('member:removed', { userId: 'dan' })).toMatch(/^not_found: .*dan/)
    expect(await refused('member:changed', { userId: 'dan', role: 'viewer' })).toMatch(/^not_found: .*dan/)
    expect(await refused('member:added', { userId: 'ann', role: 'viewer' })).toMatch(/^conflict: .*ann/)
    expect(await refused('member:added', { userId: 'dan', role: 'owner' })).toMatch(/^invalid: .*role/)
    expect(await refused('member:added', { userId: 'dan' })).toMatch(/^invalid: .*role/)
    expect(await refused('member:removed', {})).toMatch(/^invalid: .*userId/)
    expect(await refused('member:removed', { userId: '' })).toMatch(/^invalid: .*userId/)
    expect(codeOf(await edit(ann))).toBe('ok')
    const { head } = await expectReply<{ head: number }>(ann, 'channel:history', { channel })
    expect(head).toBe(2)
    // One of two at once.
    const twice = [1, 2].map(() => ask(ann, 'member:added', { channel, payload: { userId: 'dan', role: 'viewer' } }))
    expect((await Promise.all(twice)).map(codeOf).sort()).toEqual(['conflict', 'ok'])
    expect(await call(server, 'DELETE', 'eve')).toMatchObject({ status: 404 })
    expect(await call(server, 'PUT', 'ann', { role: 'viewer' }, 'user:ann')).toMatchObject({ status: 400 })
    const own = { type: 'member:added', payload: { userId: 'ann', role: 'admin' } }
    await expect(server.server.publish('user:ann', own)).rejects.toMatchObject({ code: 'invalid' })
  })

  test('[OP1] [FACT3] a removal that is sent again does not remove anew', async () => {
    const server = await start()
    const [ann, ben] = (await membersOf(server, { ann: 'admin', ben: 'editor' }, { transport })) as [Client, Client]
    const removal = { channel, payload: { userId: 'ben' }, operationId: 'once' }
    await expectReply(ann, 'member:removed', removal)
    await expectEvent(ben, 'channel:left')
    await set(server, 'ben', 'viewer')
    await join(ben, channel)
    ben.received.length = 0
    expect(await expectReply(ann, 'member:removed', removal)).toMatchObject({ seq: 3, duplicate: true })
    await expectNothing(ben, 'channel:left')
    expect(await join(ben, channel)).toMatchObject({ role: 'viewer' })
  })

  test('[FACT3] members are the same after a restart', async () => {
    const { url: databaseUrl } = await createDatabase()
    const before = await start({ databaseUrl })
    for (const [userId, role] of [
      ['ann', 'admin'],
      ['ben', 'editor'],
      ['cid', 'none'],
      ['dan', 'editor'],
    ] as const)
      await set(before, userId, role)
    await set(before, 'dan', 'viewer')
    await remove(before, 'ben')
    await before.close()
    const server = await start({ databaseUrl })
    const codes = ['ann', 'ben', 'cid', 'dan'].map(async (userId) => {
      const reply = await ask(await connect(server, userId, { transport }), 'channel:join', { channel })
      return reply.ok ? reply.role : codeOf(reply)
    })
    expect(await Promise.all(codes)).toEqual(['admin', 'forbidden', 'forbidden', 'viewer'])
  })

  describe('at the same moment', () => {
    /** An app's answer that waits until it is let go. */
    function gatedAnswer(role: string) {
      let release: () => void = () => {}
      const released = new Promise<void>((resolve) => {
        release = resolve
      })
      const gated = async (question: Question) => {
        await released
        json({ role })(question)
      }
      return { gated, release: () => release() }
    }

    async function startGated() {
      const { gated, release } = gatedAnswer('editor')
      const app = await startApp(gated)
      return { app, server: await start({ access: 'webhook', ...asking(app) }), release }
    }

    test('[FACT3] a join that was asked for before the removal is refused', async () => {
      const { app, server, release } = await startGated()
      const ben = await connect(server, 'ben', { transport })
      const joining = ask(ben, 'channel:join', { channel, last: 10 })
      await until('the app is asked', () => app.questions.length > 0)
      await set(server, 'ben', 'none')
      await server.server.publish(channel, { type: 'task:update', payload: { SECRET } })
      release()
      const reply = await joining
      expect(codeOf(reply)).toBe('forbidden')
      expect(JSON.stringify([reply, ben.received])).not.toContain(SECRET)
    })

    test('a join that was asked for before a change is to be tried again, and then has the new role', async () => {
      const { app, server, release } = await startGated()
      const ben = await connect(server, 'ben', { transport })
      const joining = ask(ben, 'channel:join', { channel })
      await until('the app is asked', () => app.questions.length > 0)
      await set(server, 'ben', 'viewer')
      release()
      expect(await joining).toMatchObject({ ok: false, error: { code: 'unavailable', retryable: true } })
      expect(await join(ben, channel)).toMatchObject({ role: 'viewer' })
    })

    test.each(['editor', 'none'])(
      'a change of a member is newer than the answer %s to an earlier question',
      async (role) => {
        const app = await startApp()
        const server = await start({ access: 'webhook', ...asking(app) })
        const ben = await connect(server, 'ben', { transport })
        await join(ben, channel)
        const { gated, release } = gatedAnswer(role)
        const asked = app.questions.length
        app.answers(gated)
        // Other claims are another question, which a rejoin under the new token waits for as well.
        const refreshing = ask(ben, 'auth:refresh', { token: tokenFor('ben', { since: 'today' }) })
        await until('the app is asked', () => app.questions.length > asked)
        const rejoining = ask(ben, 'channel:join', { channel })
        // What came after it and need not wait is answered, so it waits for the app by then.
        for (let i = 0; i < 3; i++) await expectReply(ben, 'ping', {})
        await set(server, 'ben', 'viewer')
        release()
        expect(codeOf(await refreshing)).toBe('ok')
        expect(await rejoining).toMatchObject({ ok: true, role: 'viewer' })
        expect(codeOf(await edit(ben))).toBe('forbidden')
      },
    )

    test.each([
      ['channel:history', {}],
      ['message:list', {}],
      ['document:list', {}],
      ['presence:list', {}],
      ['channel:join', {}],
      ['channel:join', { last: 10 }],
      ['channel:join', { since: 'begin' }],
      ['message:read', { seq: 100 }],
      ['widget:update', { payload: { widgetId: 'w', data: { text: 'mine' } }, baseVersion: 1 }],
      ['conflict:resolve', { operationId: 'r', documentId: 'widget:w', resolution: 'theirs', baseVersion: 1 }],
      [
        'conflict:resolve',
        { operationId: 'r', documentId: 'widget:w', resolution: 'mine', data: { text: 'mine' }, baseVersion: 1 },
      ],
    ])('[FACT3] %s %j that comes with the removal tells nothing that is after it', async (event, body) => {
      const server = await start()
      const [, ben] = (await membersOf(server, { ann: 'editor', ben: 'editor' }, { transport })) as [Client, Client]
      const publish = (type: string, payload: Record<string, unknown>) =>
        server.server.publish(channel, { type, payload })
      const { epoch } = await publish('widget:update', { widgetId: 'w', data: { text: 'first' } })
      const on: Promise<FactReply>[] = []
      asItArrives(server, ben, event, () => {
        on.push(publish('member:removed', { userId: 'ben' }))
        on.push(publish('task:update', { SECRET }))
        on.push(publish('message:send', { content: SECRET }))
        on.push(publish('widget:update', { widgetId: 'w', data: { text: SECRET } }))
      })
      const since = 'since' in body && { since: { epoch, seq: 0 } }
      const reply = await ask(ben, event, { channel, ...body, ...since })
      expect(on).toHaveLength(4)
      const [removal] = await Promise.all(on)
      await expectEvent(ben, 'channel:left')
      await expectReply(ben, 'ping', {})
      expect(JSON.stringify([reply, ben.received])).not.toContain(SECRET)
      // What ben wrote himself may have come before it.
      expect(factsOf(ben, channel).at(-1)).toMatchObject({ type: 'member:removed', seq: removal?.seq })
      expect(told(ben).at(-1)).toBe('channel:left')
    })

    test('[FACT3] signals of the same turn do not follow the removal', async () => {
      const server = await start()
      const [ann, ben] = (await membersOf(server, { ann: 'editor', ben: 'editor' }, { transport })) as [Client, Client]
      asItArrives(server, ann, 'signal', () => {
        void server.server.publish(channel, { type: 'member:removed', payload: { userId: 'ben' } })
      })
      await expectReply(ann, 'signal', { channel, name: 'wave', payload: {} })
      await expectEvent(ben, 'channel:left')
      expect(told(ben).filter((event) => event !== 'signal')).toEqual(['3 member:removed', 'channel:left'])
      expect(told(ben).slice(-2)).toEqual(['3 member:removed', 'channel:left'])
    })
  })

  test('[FACT3] [PRE3] whoever is lost and then removed is not waited for, and is told to be gone after the removal', async () => {
    const server = await start({ presenceGraceMs: 600_000 })
    const [ann, ben] = (await membersOf(server, { ann: 'editor', ben: 'editor' }, { transport })) as [Client, Client]
    ben.socket.io.engine.close()
    await expectLost(server, ben)
    expect((await expectReply<PresenceList>(ann, 'presence:list', { channel })).members).toHaveLength(2)
    ann.received.length = 0
    await remove(server, 'ben')
    await expectEvent(ann, 'presence:leave')
    expect(told(ann)).toEqual(['3 member:removed', 'presence:leave'])
    expect((await expectReply<PresenceList>(ann, 'presence:list', { channel })).members).toHaveLength(1)
  })

  test('[FACT3] [PRE3] also when the channel is just coming to life again', async () => {
    const server = await start({ presenceGraceMs: 600_000 })
    await set(server, 'ann', 'editor')
    const [ben] = (await membersOf(server, { ben: 'editor' }, { transport })) as [Client]
    ben.socket.io.engine.close()
    await expectLost(server, ben)
    const ann = await connect(server, 'ann', { transport })
    const removed = new Promise((resolve) => {
      // Stored between the moment in which the channel begins to listen and the one in which it knows its head.
      asItArrives(server, ann, 'channel:join', () =>
        setImmediate(() =>
          resolve(server.server.publish(channel, { type: 'member:removed', payload: { userId: 'ben' } })),
        ),
      )
    })
    await join(ann, channel)
    await removed
    const present = async () => {
      const { members } = await expectReply<PresenceList>(ann, 'presence:list', { channel })
      return members.map(({ user }) => user.id)
    }
    await expect.poll(present, { timeout: 20_000 }).toEqual(['ann'])
  })
})
