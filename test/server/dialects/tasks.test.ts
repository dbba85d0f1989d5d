// The family of the task board on `/ws`: what needs one node only, beside test/conformance/dialect-tasks.test.ts.
import { describe, expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, expectReply, join } from '../../support/connect.ts'
import { openPlain } from '../../support/plain.ts'
import { startServer } from '../../support/start-server.ts'
import {
  activeUsers,
  bare,
  broadcast,
  listed,
  marked,
  openTasks,
  RELAYED,
  together,
} from '../../support/task-clients.ts'

const MS = expect.any(Number)
const CLIENT_ID = /^client_\d{13}_[0-9a-z]{9}$/
const ERROR = { type: 'ERROR', error: 'Invalid message format', timestamp: MS }
const withKey = (more = {}) => startServer({ apiKeys: [KEY], ...more })
const isNow = (ms: unknown) => expect(Math.abs(Date.now() - Number(ms))).toBeLessThan(20_000)

describe('who is here', () => {
  test('[D5] a client is greeted with an id of its own, and told nothing else', async () => {
    const server = await withKey()
    const [ann, bob] = [await openTasks(server, 'ann'), await openTasks(server, 'bob')]
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await listed(ann, ['ann'])
    expect(ann.received[0]).toEqual({ type: 'CONNECTION_ESTABLISHED', clientId: ann.clientId, timestamp: MS })
    expect(ann.clientId).toMatch(CLIENT_ID)
    expect(bob.clientId).not.toBe(ann.clientId)
    isNow(ann.received[0]?.timestamp)
    expect(ann.received.length).toBe(2)
    expect(bob.received.length).toBe(1)
  })

  test('[D5] joining again tells everybody again, at a later time and in the same place', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    for (const one of [ann, bob]) await listed(one, ['ann', 'bob'])
    const frames = await marked(server, 'p1', [ann, bob])
    expect(frames.map((came) => came.map(({ type }) => type))).toEqual([['USER_PRESENCE'], ['USER_PRESENCE']])
  })

  test('[D2] one connection may be in many projects, each by itself', async () => {
    const server = await withKey()
    const [ann] = await together(server, 'p1', 'ann')
    const [bob] = await together(server, 'p2', 'bob')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p2' })
    for (const one of [ann, bob]) await listed(one, ['bob', 'ann'])
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't1' } })
    ann.say({ type: 'TASK_UPDATE', projectId: 'p2', payload: { id: 't2' } })
    expect(bare(await bob.expect('TASK_UPDATE'))).toEqual({ type: 'TASK_UPDATE', payload: { id: 't2' }, timestamp: MS })
  })
})

describe('SET_USER', () => {
  test('[D5] what was said before a join counts for it', async () => {
    const server = await withKey()
    const ann = await openTasks(server, 'ann')
    ann.say({ type: 'SET_USER' })
    ann.say({ type: 'SET_USER', userId: 'ann', payload: { userInfo: { email: 'kim@x.io' } } })
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    expect(activeUsers(await listed(ann, ['ann']))[0]?.initials).toBe('KI')
    expect(ann.received.length).toBe(2)
  })
})

describe('what is relayed', () => {
  test('[D5] what is no word of the family is ignored in silence', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const { projectId, payload } = { projectId: 'p1', payload: { userId: 'bob', channel: 'project:p1', type: 'x' } }
    const types = ['PING', 'PROJECT_DELETE', 'UNKNOWN_TYPE', 'nonsense', 'task:update', 'TASK_MOVE', 'MESSAGE_SEND']
    const inner = ['CHANNEL_LEAVE', 'MEMBER_REMOVED', 'EVENT_OTHER', 'SYNC_UPDATE', 'TYPING_DIRECT', 'PRESENCE_UPDATE']
    for (const type of [...types, ...inner, 7, null, {}, ['TASK_UPDATE'], '__proto__', undefined]) {
      ann.say({ type, projectId, channel: 'project:p1', payload })
    }
    // Neither are these, nor a word about no project.
    for (const frame of ['[]', '[{"type":"TASK_UPDATE","projectId":"p1"}]', '7', '"TASK_UPDATE"', 'true', '{}'])
      ann.say(frame)
    for (const type of [...RELAYED, 'JOIN_PROJECT', 'LEAVE_PROJECT']) {
      for (const missing of [undefined, null, '', 0]) ann.say({ type, projectId: missing, payload })
    }
    ann.say({ type: 'LEAVE_PROJECT', projectId: 'never-joined' })
    ann.say({ type: 'TASK_UPDATE', projectId, payload: { id: 'last' } })
    await bob.expect('TASK_UPDATE')
    const frames = await marked(server, 'p1', [ann, bob])
    expect(frames.map((came) => came.map(({ type }) => type))).toEqual([[], ['TASK_UPDATE']])
  })

  test('[D5] nor does a name that nobody knows become one by a payload that is no object, or by none', async () => {
    const server = await withKey({ events: { 'card:move': {} } })
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const types = [
      'FOO_BAR',
      'USER_PRESENCE',
      'CONNECTION_ESTABLISHED',
      'PROJECT_DELETE',
      'CHANNEL_LEAVE',
      'EVENT_OTHER',
    ]
    for (const type of types)
      for (const payload of [undefined, null, 'text', 7, [{}]]) ann.say({ type, projectId: 'p1', payload })
    // What is declared has its form.
    ann.say({ type: 'CARD_MOVE', projectId: 'p1', payload: 'text' })
    const { error } = await ann.expect('ERROR')
    expect(error).toContain('payload: expected an object, got text')
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: 'last' })
    await bob.expect('TASK_UPDATE')
    const frames = await marked(server, 'p1', [ann, bob])
    expect(frames.map((came) => came.map(({ type }) => type))).toEqual([['ERROR'], ['TASK_UPDATE']])
  })

  test('[D5] what cannot be read is answered so, exactly, and harms nothing', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const garbage = ['nonsense', '{"type":', 'null', '', '{"a":1}}', `${'['.repeat(500)}${']'.repeat(500)}`]
    for (const text of garbage) ann.say(text)
    ann.ws.send(Buffer.from([0xc3, 0x28, 0x00]))
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 'last' } })
    expect(bare(await bob.expect('TASK_UPDATE')).payload).toEqual({ id: 'last' })
    const [frames, others] = await marked(server, 'p1', [ann, bob])
    expect(frames).toEqual(Array(garbage.length + 1).fill(ERROR))
    expect(others?.map(({ type }) => type)).toEqual(['TASK_UPDATE'])
  })

  test('[D4] a relay into a project one has not joined is refused, and nobody is told', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const cat = await openTasks(server, 'cat')
    cat.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't1' }, operationId: 'op-1' })
    const { error, ...refusal } = await cat.expect('ERROR')
    expect(refusal).toEqual({ type: 'ERROR', timestamp: MS, code: 'not_joined' })
    expect(error).toContain('project:p1')
    ann.say({ type: 'LEAVE_PROJECT', projectId: 'p1' })
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't1' } })
    expect((await ann.expect('ERROR')).code).toBe('not_joined')
    await listed(bob, ['bob'])
    expect((await marked(server, 'p1', [bob]))[0]?.map(({ type }) => type)).toEqual(['USER_PRESENCE'])
  })

  test('[D2] an id that no project can have is refused by its name', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    for (const projectId of ['../x', 'a b', 'x'.repeat(129), 7, {}, ['p1'], { toString: 1 }, [{ toString: null }]]) {
      ann.say({ type: 'JOIN_PROJECT', projectId })
      const refusal = await ann.expect('ERROR')
      expect(refusal).toEqual({
        type: 'ERROR',
        error: 'projectId: expected an id of at most 128 letters, digits and _ . @ -, like p1',
        timestamp: MS,
        code: 'invalid',
      })
      ann.taken()
    }
    expect(await marked(server, 'p1', [bob])).toEqual([[]])
  })

  test('[D1] a word that the deployment has declared is relayed too', async () => {
    const server = await withKey({ events: { 'card:move': {} } })
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const cat = await connect(server, 'cat')
    await join(cat, 'project:p1')
    ann.say({ type: 'CARD_MOVE', projectId: 'p1', payload: { to: 3 }, operationId: 'op-1' })
    expect(bare(await bob.expect('CARD_MOVE'))).toEqual({
      type: 'CARD_MOVE',
      payload: { to: 3 },
      operationId: 'op-1',
      timestamp: MS,
    })
    expect((await expectEvent(cat, 'card:move')).payload).toEqual({ to: 3 })
  })

  test('[D4] roles count: who may only read is refused', async () => {
    const server = await withKey({ access: 'claims' })
    const reads = { channels: { 'project:p1': 'viewer' } }
    const bob = await openTasks(server, 'bob', reads)
    bob.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await listed(bob, ['bob'])
    const ann = await openTasks(server, 'ann', reads)
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    for (const one of [ann, bob]) await listed(one, ['bob', 'ann'])
    bob.taken()
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: {} })
    expect(await ann.expect('ERROR')).toMatchObject({ code: 'forbidden' })
    ann.taken()
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p2' })
    expect(await ann.expect('ERROR')).toMatchObject({ code: 'forbidden' })
    expect(await marked(server, 'p1', [bob])).toEqual([[]])
  })
})

describe('[D1] beside clients of the protocol', () => {
  test('what is said on /ws is a fact like any other, its payload untouched', async () => {
    const server = await withKey()
    const cat = await connect(server, 'cat')
    await join(cat, 'project:p1')
    const ann = await openTasks(server, 'ann')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await listed(ann, ['cat', 'ann'])
    const payload = { id: 't1', projectId: 'p1', changes: { status: 'IN_REVIEW' }, operationId: 'in', timestamp: 5 }
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload, operationId: 'op-1' })
    expect(await expectEvent(cat, 'task:update')).toMatchObject({
      channel: 'project:p1',
      seq: 1,
      user: { id: 'ann' },
      payload,
      operationId: expect.stringMatching(/^op-1~ws\.[\w-]{16}$/),
    })
    ann.say({ type: 'TASK_CREATE', projectId: 'p1', payload: 'text' })
    expect((await expectEvent(cat, 'event:other')).payload).toEqual({ type: 'TASK_CREATE', payload: 'text' })
  })

  test('what others say comes in the words of these browsers', async () => {
    const server = await withKey({ events: { 'card:move': {} } })
    const [ann] = await together(server, 'p1', 'ann')
    const cat = await connect(server, 'cat')
    await join(cat, 'project:p1')
    await listed(ann, ['ann', 'cat'])
    ann.taken()
    const said: [string, object, string, object][] = [
      ['task:create', { id: 't1', status: 'UNDER_REVIEW' }, 'TASK_CREATE', { id: 't1', status: 'IN_REVIEW' }],
      [
        'task:update',
        { id: 't1', title: 'New', status: 'UNDER_REVIEW' },
        'TASK_UPDATE',
        { id: 't1', projectId: 'p1', changes: { title: 'New', status: 'IN_REVIEW' } },
      ],
      [
        'task:update',
        { id: 't1', projectId: 'p1', changes: { status: 'UNDER_REVIEW' }, timestamp: 5 },
        'TASK_UPDATE',
        { id: 't1', projectId: 'p1', changes: { status: 'IN_REVIEW' }, timestamp: 5 },
      ],
      ['task:update', { title: 'of none' }, 'TASK_UPDATE', { title: 'of none' }],
      [
        'task:move',
        { taskId: 't1', status: 'DONE' },
        'TASK_UPDATE',
        { id: 't1', projectId: 'p1', changes: { status: 'DONE' } },
      ],
      ['task:move', { status: 'DONE' }, 'TASK_MOVE', { status: 'DONE' }],
      ['task:delete', { taskId: 't1' }, 'TASK_DELETE', { taskId: 't1' }],
      ['comment:delete', { id: 'c1' }, 'COMMENT_DELETE', { id: 'c1', commentId: 'c1' }],
      ['comment:delete', { taskId: 't1', commentId: 'c1' }, 'COMMENT_DELETE', { taskId: 't1', commentId: 'c1' }],
      ['card:move', { to: 3 }, 'CARD_MOVE', { to: 3 }],
      ['canvas:update', { added: {} }, 'CANVAS_UPDATE', { added: {} }],
    ]
    for (const [n, [event, payload]] of said.entries()) {
      await expectReply(cat, event, { channel: 'project:p1', payload, operationId: `op-${n}` })
    }
    await cat.socket.emit('typing', { channel: 'project:p1', isTyping: true })
    await cat.socket.emit('cursor', { channel: 'project:p1', position: 1 })
    await cat.socket.emit('signal', { channel: 'project:p1', name: 'x', payload: 1 })
    await expectReply(cat, 'presence:update', { channel: 'project:p1', state: { initials: 'zz', far: 'away' } })
    expect(activeUsers(await listed(ann, ['ann', 'cat']))[1]?.initials).toBe('ZZ')
    const [frames] = await marked(server, 'p1', [ann])
    expect(frames?.filter(({ type }) => type !== 'USER_PRESENCE').map(bare)).toEqual(
      said.map(([, , type, payload], n) => ({ type, payload, operationId: `op-${n}`, timestamp: MS })),
    )
  })

  test('somebody who is taken out of a project is told so, and nothing more of it', async () => {
    const server = await withKey({ access: 'members' })
    const api = await apiOf(server)
    const member = (userId: string) => `/api/v1/channels/project:p1/members/${userId}`
    for (const userId of ['ann', 'bob']) await api('PUT', member(userId), { role: 'editor' })
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    await api('DELETE', member('ann'))
    const { error, ...left } = await ann.expect('ERROR')
    expect([error, left]).toEqual([
      'You were removed from project p1',
      { type: 'ERROR', timestamp: MS, code: 'forbidden' },
    ])
    await listed(bob, ['bob'])
    expect((await marked(server, 'p1', [bob]))[0]?.map(({ type }) => type).sort()).toEqual([
      'MEMBER_REMOVED',
      'USER_PRESENCE',
    ])
    ann.taken()
    ann.say({ type: 'SET_USER', userId: 'ann' })
    ann.say('null')
    await ann.expect('ERROR')
    expect(ann.taken()).toEqual([ERROR])
  })
})

describe('[D7] a client that comes back', () => {
  test('is told why it cannot be given what it missed', async () => {
    const server = await withKey()
    const [ann] = await together(server, 'p1', 'ann')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1', since: { epoch: 'another', seq: 0 } })
    expect(await listed(ann, ['ann'])).toMatchObject({ seq: 0, recovered: false, reason: 'epoch_changed' })
    ann.taken()
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1', since: 'then' })
    const { error } = await ann.expect('ERROR')
    expect(error).toContain('since: expected an object, got text')
    // It is in the project all the same, as it was.
    expect((await marked(server, 'p1', [ann]))[0]?.map(({ type }) => type)).toEqual(['ERROR'])
  })
})

describe('[D3] where claims are believed', () => {
  const believing = () => withKey({ jwtSecrets: [], insecureIdentity: true })

  test('the last word counts, a claim in the URL is one too, and what is no id is none', async () => {
    const server = await believing()
    const ann = await openPlain(server, '/ws?userId=ann')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    await listed(ann, ['ann'])
    ann.say({ type: 'SET_USER', userId: 'u2' })
    await listed(ann, ['u2'])
    for (const userId of ['a\nb', 'x'.repeat(300), { id: 'u3' }, '']) {
      ann.taken()
      ann.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId })
      await listed(ann, ['u2'])
    }
  })

  test('with a secret, without a token, nobody comes in, and is told so', async () => {
    const server = await withKey()
    for (const path of ['/ws', '/ws?userId=ann', '/ws?token=ann']) {
      const plain = await openPlain(server, path)
      expect(await plain.closed, path).toMatchObject({ code: 4500 })
      expect(plain.received, path).toEqual([
        { type: 'ERROR', error: expect.stringMatching(/^Authentication/), timestamp: MS, code: 'unauthenticated' },
      ])
    }
  })
})

describe('POST /broadcast', () => {
  test('[D5] any type and any payload will do, also none', async () => {
    const server = await withKey()
    const [ann] = await together(server, 'p1', 'ann')
    const said = [
      { type: 'TEST', payload: { message: 'Hello' } },
      { type: 'PROJECT_DELETE', payload: { projectId: 'p1' } },
      { type: 'PROJECT_UPDATE', payload: { id: 'p1', changes: {} } },
      { type: 'CHANNEL_JOIN', payload: { a: 1 } },
      { type: 'EVENT_OTHER', payload: { type: 'TEST', payload: 1 } },
      { type: 'some thing else', payload: { a: 1 } },
      { type: 'TASK_UPDATE', payload: 'text' },
      { type: 'TASK_UPDATE', payload: [1, null] },
      { type: 'TASK_UPDATE' },
      { type: 'X', payload: null },
    ]
    for (const [n, one] of said.entries()) {
      const { status } = await broadcast(server, { ...one, projectId: 'p1', operationId: `op-${n}` })
      expect(status, one.type).toBe(200)
    }
    const [frames] = await marked(server, 'p1', [ann])
    expect(frames?.map(bare)).toEqual(
      said.map((one, n) => ({ ...one, operationId: `op-${n}`, timestamp: MS, userId: null })),
    )
  })

  test('[D5] [API2] an operationId with another body is another fact; with the same, it is delivered once', async () => {
    const server = await withKey()
    const [ann] = await together(server, 'p1', 'ann')
    const said = (n: number) => ({ type: 'TASK_UPDATE', projectId: 'p1', payload: { n }, operationId: 'task-update-1' })
    const answers = []
    for (const n of [1, 2, 1]) answers.push((await broadcast(server, said(n))).body)
    expect(answers.map(({ seq, duplicate, operationId }) => [seq, duplicate, operationId])).toEqual([
      [1, undefined, 'task-update-1'],
      [2, undefined, 'task-update-1'],
      [1, true, 'task-update-1'],
    ])
    expect((await marked(server, 'p1', [ann]))[0]?.map(({ payload }) => payload?.n)).toEqual([1, 2])
  })

  test('[D4] wants a key, which may stand in the path', async () => {
    const server = await withKey()
    const [ann] = await together(server, 'p1', 'ann')
    const said = { type: 'TASK_UPDATE', projectId: 'p1', payload: {} }
    expect((await broadcast(server, said, {})).status).toBe(401)
    expect((await broadcast(server, said, {}, '/k/wrong')).status).toBe(401)
    expect((await broadcast(server, said, {}, `/k/${KEY}`)).body).toMatchObject({ success: true, clientCount: 1 })
    expect((await marked(server, 'p1', [ann]))[0]?.length).toBe(1)
  })
})

describe('the documents of the family', () => {
  test('the flow of the first: connect, join, an API that broadcasts, an update that shows', async () => {
    const server = await withKey({ jwtSecrets: [], insecureIdentity: true })
    const ws = await openPlain(server, '/ws')
    expect(await ws.expect('CONNECTION_ESTABLISHED')).toEqual({
      type: 'CONNECTION_ESTABLISHED',
      clientId: expect.stringMatching(CLIENT_ID),
      timestamp: MS,
    })
    const now = Date.now()
    ws.say({ type: 'JOIN_PROJECT', projectId: 'project-123', operationId: `join-${now}`, timestamp: now })
    await ws.expect('USER_PRESENCE')
    const update = {
      id: 'task-1',
      projectId: 'project-123',
      changes: { title: 'New' },
      operationId: 'x',
      timestamp: now,
    }
    const message = {
      type: 'TASK_UPDATE',
      payload: update,
      projectId: 'project-123',
      operationId: `task-update-${now}`,
      timestamp: now,
    }
    expect((await broadcast(server, message)).status).toBe(200)
    const frame = await ws.expect('TASK_UPDATE')
    expect(bare(frame)).toEqual({
      type: 'TASK_UPDATE',
      payload: update,
      operationId: `task-update-${now}`,
      timestamp: now,
      userId: null,
    })
  })

  test('the README of the second: a join without a user, and op-789', async () => {
    const server = await withKey({ jwtSecrets: [], insecureIdentity: true })
    const [one, other] = [await openPlain(server, '/ws'), await openPlain(server, '/ws')]
    for (const ws of [one, other]) {
      ws.say({ type: 'JOIN_PROJECT', projectId: 'project-123' })
      await ws.expect('USER_PRESENCE')
    }
    one.say({
      type: 'TASK_UPDATE',
      projectId: 'project-123',
      payload: { id: 'task-456', title: 'Updated task title' },
      operationId: 'op-789',
    })
    expect(bare(await other.expect('TASK_UPDATE'))).toEqual({
      type: 'TASK_UPDATE',
      payload: { id: 'task-456', title: 'Updated task title' },
      operationId: 'op-789',
      timestamp: MS,
    })
  })
})
