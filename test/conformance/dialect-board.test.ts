import { describe, expect, test } from 'vitest'
import { apiOf, KEY } from '../support/api.ts'
import {
  active,
  aMoment,
  type BoardFrame,
  bare,
  boardToken,
  count,
  entry,
  ISO,
  joined,
  left,
  openBoard,
  PLACE,
  twoInProject,
} from '../support/board.ts'
import { clientOf, connect, expectEvent, expectReply, join, TRANSPORTS } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'

describe.each(TRANSPORTS)('[D5] the board over %s', (transport) => {
  test('who joins and leaves is told in order: the others, the one, then how many; who leaves is told nothing', async () => {
    const server = await startServer()
    const ann = await openBoard(server, 'ann', { transport })
    const ben = await openBoard(server, 'ben', { transport })
    expect(await ann.join('p1')).toEqual({
      active: ['users:active', { users: [entry('ann')], count: 1, ...PLACE }],
      count: count(1),
    })
    await aMoment()
    expect(await ben.join('p1')).toEqual({
      active: ['users:active', { users: [entry('ann'), entry('ben')], count: 2, ...PLACE }],
      count: count(2),
    })
    expect(await ann.take(2)).toEqual([joined(ben), count(2)])
    ben.say('leave-project', 'p1')
    expect(await ann.take(3)).toEqual([left(ben), active('ann'), count(1)])
    // It left already, and nobody minds.
    ben.say('leave-project', 'p1')
    await ben.expectNothing()
    await ben.join('p1')
    expect(await ann.take(2)).toEqual([joined(ben), count(2)])
    ben.socket.disconnect()
    expect(await ann.take(3)).toEqual([left(ben), active('ann'), count(1)])
    await ann.expectNothing()
  })

  test('what somebody does in a project the others get bare, its author not, nor who is elsewhere', async () => {
    const server = await startServer()
    const { ann, ben } = await twoInProject(server, transport)
    const cat = await openBoard(server, 'cat', { transport })
    await cat.join('p2')
    const task = { id: 't1', title: 'Write', status: 'UNDER_REVIEW', labels: ['a'], due: null }
    const changes = {
      added: { 'shape:1': { id: 'shape:1', x: 1 } },
      updated: { 'shape:2': [{ x: 1 }, { x: 2 }] },
      removed: {},
    }
    const rows: [event: string, said: object, heard: unknown][] = [
      ['task:create', { projectId: 'p1', task }, task],
      ['task:update', { projectId: 'p1', task: { ...task, title: 'Read' } }, { ...task, title: 'Read' }],
      ['task:move', { projectId: 'p1', taskId: 't1', status: 'DONE' }, { taskId: 't1', status: 'DONE' }],
      ['task:move', { projectId: 'p1', taskId: 't1' }, { taskId: 't1' }],
      ['task:delete', { projectId: 'p1', taskId: 't1' }, { taskId: 't1' }],
      ['canvas:update', { projectId: 'p1', changes }, changes],
      ['markdown:update', { projectId: 'p1', fileId: 'f1', content: '# Hi' }, { fileId: 'f1', content: '# Hi' }],
    ]
    for (const [event, said] of rows) ann.say(event, said)
    expect((await ben.take(rows.length)).map(bare)).toEqual(rows.map(([event, , heard]) => [event, heard]))
    // Each in its order: what ann or cat had been told of these would come before it.
    await cat.join('p1')
    expect(await ann.take(2)).toEqual([joined(cat), count(3)])
    expect(await ben.take(2)).toEqual([joined(cat), count(3)])
    ben.say('task:delete', { projectId: 'p1', taskId: 't2' })
    for (const who of [ann, cat]) expect((await who.take(1)).map(bare)).toEqual([['task:delete', { taskId: 't2' }]])
    await ben.expectNothing()
  })

  test('cursors and typing go to the others of the project, with whose they are', async () => {
    const server = await startServer()
    const { ann, ben } = await twoInProject(server, transport)
    const { socketId } = ann
    const [userId, context, at] = ['ann', 'markdown:f1', '2026-01-02T03:04:05.678Z']
    const rows: [event: string, said: object, heard: object][] = [
      ['canvas:cursor', { position: { x: 1, y: 2 } }, { socketId, position: { x: 1, y: 2 } }],
      ['markdown:cursor', { fileId: 'f1', position: 7 }, { socketId, fileId: 'f1', position: 7 }],
      ['markdown:cursor', { position: 7 }, { socketId, position: 7 }],
      ['typing:start', { context, timestamp: 5 }, { socketId, userId, userName: 'ANN', context, timestamp: 5 }],
      ['typing:stop', { context }, { socketId, userId, context }],
      ['typing:start', { context, timestamp: at }, { socketId, userId, userName: 'ANN', context, timestamp: at }],
      ['typing:stop', { context }, { socketId, userId, context }],
      ['typing:start', {}, { socketId, userId, userName: 'ANN' }],
      ['typing:stop', {}, { socketId, userId }],
    ]
    for (const [event, said, heard] of rows) {
      ann.say(event, { projectId: 'p1', ...said })
      expect(await ben.take(1)).toEqual([[event, heard]])
    }
    await ann.expectNothing()
  })
})

test('[D5] of somebody with two tabs both are listed; closing one leaves the other', async () => {
  const server = await startServer()
  const first = await openBoard(server, 'ann')
  const second = await openBoard(server, 'ann')
  const ben = await openBoard(server, 'ben')
  await first.join('p1')
  await aMoment()
  expect((await second.join('p1')).active).toEqual([
    'users:active',
    { users: [entry('ann'), entry('ann')], count: 2, ...PLACE },
  ])
  expect(await first.take(2)).toEqual([joined(second), count(2)])
  await aMoment()
  expect((await ben.join('p1')).count).toEqual(count(3))
  for (const tab of [first, second]) expect(await tab.take(2)).toEqual([joined(ben), count(3)])
  second.socket.disconnect()
  for (const who of [first, ben]) {
    expect(await who.take(3)).toEqual([left(second), active('ann', 'ben'), count(2)])
  }
  // What one tab does the other is told.
  const third = await openBoard(server, 'ann')
  await third.join('p1')
  await first.take(2)
  third.say('task:delete', { projectId: 'p1', taskId: 't1' })
  expect((await first.take(1)).map(bare)).toEqual([['task:delete', { taskId: 't1' }]])
})

test('[D5] joining again is told again; it keeps its place, with a newer time', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const times = ({ active: [, body] }: { active: BoardFrame }) =>
    (body as { users: { userId: string; joinedAt: string }[] }).users.map(({ userId, joinedAt }) => [userId, joinedAt])
  const before = new Map(times(await ben.join('p1')) as [string, string][])
  expect(await ann.take(2)).toEqual([joined(ben), count(2)])
  await aMoment()
  const again = await ann.join('p1')
  const told = ['users:active', { users: [entry('ann'), entry('ben')], count: 2, ...PLACE }]
  expect(again).toEqual({ active: told, count: count(2) })
  const after = new Map(times(again) as [string, string][])
  expect(Date.parse(after.get('ann') ?? '')).toBeGreaterThan(Date.parse(before.get('ann') ?? ''))
  expect(after.get('ben')).toBe(before.get('ben'))
  expect(await ben.take(2)).toEqual([joined(ann), count(2)])
  // As the app does when a page opens: both at once.
  ann.say('join-project', 'p1')
  ann.say('join-project', 'p1')
  expect(await ann.take(4)).toEqual([told, count(2), told, count(2)])
  expect(await ben.take(4)).toEqual([joined(ann), count(2), joined(ann), count(2)])
})

test('[D5] who it is comes from the token: a picture, or no name at all', async () => {
  const server = await startServer()
  const ann = await openBoard(server, 'ann')
  await ann.join('p1')
  const userImage = 'https://img.example/ben.png'
  const ben = await openBoard(server, 'ben', { token: boardToken('ben', { picture: userImage, image: 'other' }) })
  await aMoment()
  expect((await ben.join('p1')).active[1]).toMatchObject({ users: [entry('ann'), entry('ben', { userImage })] })
  expect(await ann.take(2)).toEqual([joined(ben, { userImage }), count(2)])
  const cat = await openBoard(server, 'cat', { token: boardToken('cat', { name: undefined, image: userImage }) })
  const anonymous = { userName: 'Anonymous' }
  await cat.join('p1')
  expect(await ann.take(2)).toEqual([joined(cat, { ...anonymous, userImage }), count(3)])
  cat.say('typing:start', { projectId: 'p1', context: 'chat', timestamp: 1 })
  const typing = { socketId: cat.socketId, userId: 'cat', ...anonymous, context: 'chat', timestamp: 1 }
  expect(await ann.take(1)).toEqual([['typing:start', typing]])
  cat.socket.disconnect()
  // It has stopped typing before it is gone.
  expect(await ann.take(2)).toEqual([
    ['typing:stop', { socketId: cat.socketId, userId: 'cat', context: 'chat' }],
    ['user:left', { socketId: cat.socketId, userId: 'cat', ...anonymous, timestamp: ISO }],
  ])
})

test('[D5] the app joins as soon as it is connected, and writes: greeted first, nothing is lost', async () => {
  const server = await startServer()
  const ann = await openBoard(server, 'ann')
  await ann.join('p1')
  const socket = clientOf(server, { token: boardToken('ben') })
  const frames: [string, unknown][] = []
  socket.onAny((event: string, body: unknown) => frames.push([event, body]))
  socket.on('connect', () => {
    socket.emit('join-project', 'p1')
    socket.emit('task:create', { projectId: 'p1', task: { id: 't1' } })
  })
  socket.connect()
  expect((await ann.take(2)).map(([event]) => event)).toEqual(['user:joined', 'users:count'])
  expect((await ann.take(1)).map(bare)).toEqual([['task:create', { id: 't1' }]])
  await until('ben was told', () => frames.length >= 3)
  expect(frames.map(([event]) => event)).toEqual(['connected', 'users:active', 'users:count'])
  expect(frames[0]?.[1]).toMatchObject({ socketId: socket.id, userId: 'ben', timestamp: ISO })
})

test('[D4] who has not joined a project says nothing in it, and is told nothing of it', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  const eve = await openBoard(server, 'eve')
  await eve.join('p2')
  for (const event of ['task:create', 'task:update']) eve.say(event, { projectId: 'p1', task: { id: 'evil' } })
  eve.say('canvas:cursor', { projectId: 'p1', position: { x: 1 } })
  eve.say('typing:start', { projectId: 'p1', context: 'x', timestamp: 1 })
  expect((await eve.take(4)).map(([event]) => event)).toEqual(['error', 'error', 'error', 'error'])
  ann.say('task:create', { projectId: 'p1', task: { id: 't1' } })
  ann.say('typing:start', { projectId: 'p1', context: 'y' })
  // A signal may come before a fact.
  expect((await ben.take(2)).map(([event]) => event).toSorted()).toEqual(['task:create', 'typing:start'])
  // The next she is told of it is that she has joined, and what comes after.
  await eve.join('p1')
  await ben.take(2)
  ben.say('task:delete', { projectId: 'p1', taskId: 't1' })
  expect((await eve.take(1)).map(bare)).toEqual([['task:delete', { taskId: 't1' }]])
})

test('[D7] who comes back with a position is told what was missed, before anything live', async () => {
  const server = await startServer()
  const { ann, ben } = await twoInProject(server)
  ben.say('task:create', { projectId: 'p1', task: { id: 't0' } })
  const [, { epoch, seq }] = (await ann.take(1))[0] as [string, { epoch: string; seq: number }]
  ann.socket.disconnect()
  await ben.take(3)
  ben.say('task:create', { projectId: 'p1', task: { id: 't1' } })
  ben.say('task:move', { projectId: 'p1', taskId: 't1', status: 'DONE' })
  const back = await openBoard(server, 'ann')
  await expectReply(ben.client, 'channel:history', { channel: 'project:p1' })
  back.say('join-project', { projectId: 'p1', since: { epoch, seq } })
  ben.say('task:delete', { projectId: 'p1', taskId: 't1' })
  const told = await back.take(5)
  const facts = told.filter(([event]) => event.startsWith('task:'))
  expect(facts.map(bare)).toEqual([
    ['task:create', { id: 't1' }],
    ['task:move', { taskId: 't1', status: 'DONE' }],
    ['task:delete', { taskId: 't1' }],
  ])
  expect(facts.map(([, body]) => (body as { seq: number }).seq)).toEqual([seq + 1, seq + 2, seq + 3])
  const [, position] = told.find(([event]) => event === 'users:active') ?? []
  expect(position).toEqual({ users: expect.any(Array), count: 2, ...PLACE, recovered: true })

  // Nothing has ever happened there: its position is one all the same.
  const { active } = await back.join('p3')
  const since = active[1] as { epoch: string; seq: number }
  expect(since).toMatchObject({ channel: 'project:p3', seq: 0 })
  expect(since).not.toHaveProperty('recovered')
  back.say('join-project', { projectId: 'p3', since: { epoch: since.epoch, seq: 0 } })
  expect((await back.take(2))[0]?.[1]).toMatchObject({ channel: 'project:p3', seq: 0, recovered: true })
  back.say('join-project', { projectId: 'p3', since: { epoch: 'of another log', seq: 0 } })
  expect((await back.take(2))[0]?.[1]).toMatchObject({ seq: 0, recovered: false, reason: 'epoch_changed' })
  back.say('join-project', { projectId: 'p3', since: null })
  expect((await back.take(2))[0]?.[1]).not.toHaveProperty('recovered')
})

test('[D1] with a client of the protocol and with an app: each in its own words', async () => {
  const server = await startServer({ apiKeys: [KEY], events: { 'card:move': {} } })
  const api = await apiOf(server)
  const { ann, ben } = await twoInProject(server)
  const channel = 'project:p1'
  const dan = await connect(server, 'dan')
  const here = await join(dan, channel)
  expect(here.presence.members.map(({ user }) => user.id).toSorted()).toEqual(['ann', 'ben', 'dan'])
  const danHere = { socketId: dan.connected.socketId, userId: 'dan', userName: 'Anonymous', timestamp: ISO }
  for (const who of [ann, ben]) expect(await who.take(2)).toEqual([['user:joined', danHere], count(3)])

  ann.say('task:move', { projectId: 'p1', taskId: 't1', status: 'DONE' })
  expect(await expectEvent(dan, 'task:move')).toMatchObject({
    type: 'task:move',
    channel,
    user: { id: 'ann', name: 'ANN' },
    payload: { taskId: 't1', status: 'DONE' },
  })
  await ben.take(1)
  ann.say('markdown:cursor', { projectId: 'p1', fileId: 'f1', position: 3 })
  expect(await expectEvent(dan, 'cursor')).toEqual({
    channel,
    user: { id: 'ann', name: 'ANN' },
    sessionId: ann.socketId,
    position: 3,
    context: 'markdown:f1',
  })
  await ben.take(1)

  await expectReply(dan, 'card:move', { channel, payload: { to: 2 } })
  await expectReply(dan, 'comment:create', { channel, payload: { id: 'c1', text: 'hm' } })
  await expectReply(dan, 'task:update', {
    channel,
    payload: { id: 't1', projectId: 'p1', changes: { status: 'IN_REVIEW' } },
  })
  const published = await api('POST', '/api/v1/channels/project:p1/events', { type: 'note:pin', payload: { id: 'n1' } })
  expect(published.status).toBeLessThan(300)
  for (const who of [ann, ben]) {
    expect((await who.take(4)).map(bare)).toEqual([
      ['card:move', { to: 2 }],
      ['comment:create', { id: 'c1', text: 'hm' }],
      ['task:update', { id: 't1', status: 'UNDER_REVIEW' }],
      ['note:pin', { id: 'n1' }],
    ])
  }
  await expectReply(dan, 'typing', { channel, isTyping: true, context: 'chat' })
  const typing = { socketId: dan.connected.socketId, userId: 'dan', context: 'chat' }
  for (const who of [ann, ben]) {
    expect(await who.take(1)).toEqual([['typing:start', { ...typing, userName: 'Anonymous' }]])
  }
  await expectReply(dan, 'channel:leave', { channel })
  for (const who of [ann, ben]) {
    const told = await who.take(4)
    // Between nodes a signal keeps no order with the rest.
    expect(told).toContainEqual(['typing:stop', typing])
    expect(told.filter(([event]) => event !== 'typing:stop')).toEqual([
      ['user:left', danHere],
      active('ann', 'ben'),
      count(2),
    ])
  }
})

test('[JOIN7] who loses the right to be there is told in an error, and the others that they left', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const { ann, ben } = await twoInProject(server)
  await api('PUT', '/api/v1/channels/project:p1/members/ben', { role: 'none' })
  expect(await ben.take(2)).toEqual([
    ['member:added', { userId: 'ben', role: 'none', ...PLACE }],
    ['error', { message: expect.stringContaining('project:p1'), channel: 'project:p1', reason: expect.any(String) }],
  ])
  const told = await ann.take(4)
  expect(told.filter(([event]) => event.startsWith('user'))).toEqual([left(ben), active('ann'), count(1)])
  ben.say('task:create', { projectId: 'p1', task: {} })
  expect(await ben.take(1)).toMatchObject([['error', { code: 'not_joined' }]])
  ben.say('join-project', 'p1')
  expect(await ben.take(1)).toMatchObject([['error', { code: 'forbidden', event: 'join-project' }]])
})
