import { expect, test } from 'vitest'
import { active, BOARD_WORDS, bare, count, left, openBoard, PLACE, twoInProject } from '../../support/board.ts'
import { connect, expectEvent, expectReply, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'
import { until } from '../../support/until.ts'

test('[D4] [D5] what cannot be is refused in a sentence, what names no project or is not known is ignored', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const required = ['error', { message: 'Project ID is required' }]
  for (const nothing of [undefined, null, '', 0, false, {}]) ann.say('join-project', nothing)
  ann.say('join-project')
  expect(await ann.take(7)).toEqual(Array.from({ length: 7 }, () => required))
  for (const nothing of [undefined, null, '', 0, false]) ann.say('leave-project', nothing)
  ann.say('leave-project')
  ann.say('task:create', { task: { id: 't1' } })
  ann.say('task:create', { channel: 'project:p1', payload: { id: 't1' } })
  ann.say('typing:start', { projectId: '', context: 'x' })
  ann.say('spreadsheet:cell-update', { projectId: 'p1', cell: 'A1', value: 1 })
  ann.say('no-such-event', { a: 1 })
  ann.say('event:other', { channel: 'project:p1', payload: { type: 'users:active', payload: {} } })
  await ann.expectNothing()
  const refusals: [string, unknown, string][] = [
    ['join-project', 'no such id', 'invalid'],
    ['join-project', ['p1'], 'invalid'],
    ['join-project', { projectId: 'p1', since: 7 }, 'invalid'],
    ['task:create', { projectId: 'p1' }, 'invalid'],
    ['task:update', { projectId: 'p1', task: 'text' }, 'invalid'],
    ['canvas:cursor', { projectId: 'p1' }, 'invalid'],
    ['markdown:cursor', { projectId: 'p1', fileId: {}, position: 1 }, 'invalid'],
    ['typing:start', { projectId: 'p1', timestamp: {} }, 'invalid'],
    ['markdown:update', { projectId: 'p1', content: 'x'.repeat(70_000) }, 'too_large'],
    // A relay into a project that one has not joined.
    ['task:create', { projectId: 'p2', task: {} }, 'not_joined'],
    ['canvas:cursor', { projectId: 'p2', position: 1 }, 'not_joined'],
    ['typing:start', { projectId: 'p2', context: 'x' }, 'not_joined'],
  ]
  for (const [event, said, code] of refusals) {
    ann.say(event, said)
    expect(await ann.take(1)).toEqual([
      [
        'error',
        {
          message: expect.any(String),
          code,
          retryable: false,
          event,
          ...(code === 'invalid' && { details: expect.any(Array) }),
        },
      ],
    ])
  }
  ann.say('task:delete', { projectId: 'p1', taskId: 't9' })
  expect((await ben.take(1)).map(bare)).toEqual([['task:delete', { taskId: 't9' }]])
})

test('[D5] its words are never acknowledged; ping is answered by pong', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const acknowledged: string[] = []
  const own: [string, unknown][] = [
    ['join-project', 'p1'],
    ['task:create', { projectId: 'p1', task: {} }],
    ['typing:start', { projectId: 'p1', context: 'x' }],
    ['task:create', { projectId: 'p2', task: {} }],
    ['task:create', { task: {} }],
  ]
  for (const [event, body] of own) ann.say(event, body, () => acknowledged.push(event))
  ann.say('ping', () => acknowledged.push('ping'))
  ann.say('leave-project', 'p1', () => acknowledged.push('leave-project'))
  const { length } = await ben.take(7)
  expect(length).toBe(7)
  await until('all was answered', () => ann.client.received.some(({ event }) => event === 'users:count'))
  const events = ann.client.received.map(({ event }) => event)
  expect(events.toSorted()).toEqual(['error', 'pong', 'users:active', 'users:count'])
  ann.client.received.splice(0)
  await ann.expectNothing()
  expect(acknowledged).toEqual([])
})

test('[D8] [D5] no argument, or a strange one, harms nobody', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const events = [...BOARD_WORDS, 'ping', 'nothing', '__proto__']
  const strange: unknown[] = [
    null,
    1,
    '',
    'x',
    [],
    [[]],
    {},
    { projectId: {} },
    { projectId: [] },
    { projectId: 'p3', task: null },
    true,
    { projectId: { toString: 1 } },
    JSON.parse('{"__proto__":{"projectId":"p1"}}'),
    { projectId: 'x'.repeat(1000) },
  ]
  for (const event of events) {
    ann.say(event)
    // Its rate is for what people do.
    for (const body of strange) if (event !== 'join-project' || typeof body !== 'string') ann.say(event, body)
  }
  const cat = await openBoard(server, 'cat')
  await cat.join('p1')
  await ben.take(2)
  cat.say('task:delete', { projectId: 'p1', taskId: 't1' })
  expect((await ben.take(1)).map(bare)).toEqual([['task:delete', { taskId: 't1' }]])
  expect(ann.socket.connected).toBe(true)
})

test('[D5] a task that comes back with the place it was told is kept without it', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  ann.say('task:create', { projectId: 'p1', task: { id: 't1', title: 'a' } })
  const [, first] = (await ben.take(1))[0] as [string, { seq: number }]
  ben.say('task:update', { projectId: 'p1', task: { ...first, title: 'b' } })
  const [, second] = (await ann.take(1))[0] as [string, { seq: number }]
  expect(second).toEqual({ id: 't1', title: 'b', ...PLACE })
  expect(second.seq).toBe(first.seq + 1)
  const { events } = await expectReply<{ events: { payload: unknown }[] }>(ann.client, 'channel:history', {
    channel: 'project:p1',
  })
  expect(events.map(({ payload }) => payload)).toEqual([
    { id: 't1', title: 'a' },
    { id: 't1', title: 'b' },
  ])
  // A field of the task's own is its own.
  ann.say('task:update', { projectId: 'p1', task: { id: 't1', channel: 'e-mail' } })
  expect(await ben.take(1)).toEqual([['task:update', { id: 't1', channel: 'e-mail' }]])
})

test('[D1] an app may move step by step: on the same connection the words of the protocol work, acknowledged', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const channel = 'project:p1'
  expect(await expectReply(ann.client, 'comment:create', { channel, payload: { id: 'c1' } })).toMatchObject({ seq: 1 })
  expect((await ben.take(1)).map(bare)).toEqual([['comment:create', { id: 'c1' }]])
  expect(await expectReply(ben.client, 'channel:history', { channel })).toMatchObject({ head: 1 })
  await expectReply(ann.client, 'cursor', { channel, position: 1, context: 'sheet' })
  expect(await ben.take(1)).toEqual([
    ['cursor', { channel, user: { id: 'ann', name: 'ANN' }, sessionId: ann.socketId, position: 1, context: 'sheet' }],
  ])
  const refused = await ann.socket.timeout(20_000).emitWithAck('no:such', { channel })
  expect(refused).toMatchObject({ ok: false, error: { code: 'unknown_event' } })
  ann.say('comment:create', { channel: 'project:p2', payload: {} })
  expect(await ann.take(1)).toMatchObject([['error', { code: 'not_joined', message: expect.any(String) }]])
})

test('[LIFE3] [D5] everybody is told when the server goes', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const gone = [ann, ben].map(({ socket }) => new Promise((resolve) => socket.once('disconnect', resolve)))
  const closing = server.close()
  // After any other reason a stock client does not come back by itself.
  expect(await Promise.all(gone)).toEqual(['transport close', 'transport close'])
  await closing
  for (const who of [ann, ben]) {
    const message = 'Server is shutting down. You will be reconnected automatically.'
    expect(who.client.received[0]).toEqual({ event: 'server:shutdown', body: { message } })
  }
})

test('[D5] so much of what is said before the first join is kept; what is more is refused, and where somebody points is not', async () => {
  const server = await startServer()
  const { ann } = await twoInProject(server)
  const cat = await openBoard(server, 'cat')
  for (let n = 0; n < 102; n++) cat.say('task:delete', { projectId: 'p1', taskId: `t${n}` })
  for (let n = 0; n < 50; n++) cat.say('typing:start', { projectId: 'p1', context: 'x' })
  const refused = ['error', expect.objectContaining({ code: 'not_joined', event: 'task:delete' })]
  expect(await cat.take(2)).toEqual([refused, refused])
  const dan = await openBoard(server, 'dan')
  const task = { text: 'x'.repeat(60_000) }
  for (let n = 0; n < 5; n++) dan.say('task:create', { projectId: 'p1', task })
  expect(await dan.take(1)).toEqual([['error', expect.objectContaining({ code: 'not_joined', event: 'task:create' })]])
  await ann.expectNothing()
  dan.say('join-project', 'p1')
  expect((await ann.take(6)).map(([event]) => event)).toEqual([
    ...['user:joined', 'users:count'],
    ...['task:create', 'task:create', 'task:create', 'task:create'],
  ])
  expect((await dan.take(2)).map(([event]) => event)).toEqual(['users:active', 'users:count'])
  await dan.expectNothing()
})

test('who never stops saying what asks for nothing is sent away; the others go on', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
  for (let i = 0; i < 5000; i++) ann.say(i % 2 ? 'join-project' : 'task:create', '')
  await gone
  expect(ann.client.received.at(-1)).toMatchObject({ event: 'error', body: { code: 'rate_limited' } })
  expect(await ben.take(3)).toEqual([left(ann), active('ben'), count(1)])
  await ben.join('p2')
  await ben.expectNothing()
})

test('[D5] a connection that is lost without a word is told to be gone at once, and once', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const dan = await connect(server, 'dan')
  await join(dan, 'project:p1')
  await ann.take(2)
  ben.socket.io.engine.close()
  expect((await ann.take(3)).map(([event]) => event)).toEqual(['user:left', 'users:active', 'users:count'])
  // Only now is it over for those who count people.
  await expectEvent(dan, 'presence:leave', ({ userId }: { userId: string }) => userId === 'ben')
  await ann.expectNothing()
})
