// The family of the task board on `/ws`, held against section 3 of its wire: exact frames, who gets them, and who does not.
import { describe, expect, test } from 'vitest'
import { KEY } from '../support/api.ts'
import { connect, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import {
  activeUsers,
  bare,
  broadcast,
  listed,
  marked,
  openTasks,
  RELAYED,
  together,
  usersOf,
} from '../support/task-clients.ts'

const MS = expect.any(Number)
const withKey = (more = {}) => startServer({ apiKeys: [KEY], ...more })
const isNow = (ms: unknown) => expect(Math.abs(Date.now() - Number(ms))).toBeLessThan(20_000)

describe('who is here', () => {
  test('[D5] a join tells the whole room who is here, the one who joined too, once for each connection', async () => {
    const server = await withKey()
    const outside = await openTasks(server, 'zoe')
    const ann = await openTasks(server, 'ann', { name: 'Ann Bee' })
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1', operationId: 'join-project-1', timestamp: 1 })
    const first = await listed(ann, ['ann'])
    const { timestamp } = first
    expect(bare(first)).toEqual({
      type: 'USER_PRESENCE',
      payload: {
        projectId: 'p1',
        activeUsers: [{ userId: 'ann', clientId: ann.clientId, joinedAt: MS, initials: 'AB' }],
        userCount: 1,
      },
      operationId: `presence-${timestamp}`,
      timestamp: MS,
    })
    isNow(timestamp)
    isNow(activeUsers(first)[0]?.joinedAt)

    const [bob, tab] = [await openTasks(server, 'bob'), await openTasks(server, 'ann')]
    bob.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    for (const one of [ann, bob]) await listed(one, ['ann', 'bob'])
    tab.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    for (const one of [ann, bob, tab]) {
      const third = await listed(one, ['ann', 'bob', 'ann'])
      expect(third.payload?.userCount).toBe(3)
      expect(activeUsers(third).map(({ clientId }) => clientId)).toEqual([ann.clientId, bob.clientId, tab.clientId])
      // The end of an id where there is no name.
      expect(activeUsers(third)[1]?.initials).toBe('OB')
    }
    const counts = await marked(server, 'p1', [ann, bob, tab])
    expect(counts.map((frames) => frames.map((frame) => frame.payload?.userCount ?? frame.type))).toEqual([
      ['CONNECTION_ESTABLISHED', 1, 2, 3],
      ['CONNECTION_ESTABLISHED', 2, 3],
      ['CONNECTION_ESTABLISHED', 3],
    ])
    expect(outside.received.length).toBe(1)
  })

  test('[D5] leaving, closing and being lost are told to those who stay, and not to the one who goes', async () => {
    const server = await withKey()
    const [ann, bob, cat, dan] = await together(server, 'p1', 'ann', 'bob', 'cat', 'dan')
    dan.say({ type: 'LEAVE_PROJECT', projectId: 'p1', operationId: 'leave-project-1', timestamp: 1 })
    for (const one of [ann, bob, cat]) await listed(one, ['ann', 'bob', 'cat'])
    cat.ws.close(1000, 'Manual disconnect')
    for (const one of [ann, bob]) await listed(one, ['ann', 'bob'])
    bob.ws.terminate()
    expect((await listed(ann, ['ann'])).payload?.userCount).toBe(1)
    const [frames] = await marked(server, 'p1', [ann])
    expect(frames?.map(usersOf)).toEqual([['ann', 'bob', 'cat'], ['ann', 'bob'], ['ann']])
    // Who has left is told nothing of that, nor of anything after it.
    dan.say({ type: 'JOIN_PROJECT', projectId: 'p2' })
    await listed(dan, ['dan'])
    expect(dan.taken().map(({ payload }) => payload?.projectId)).toEqual(['p2'])
  })
})

describe('SET_USER', () => {
  test('[D3] says how its person is shown, never who they are, in every project of the connection', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p2', userId: 'bob' })
    await listed(ann, ['ann'], ({ payload }) => payload?.projectId === 'p2')
    ann.taken()
    const userInfo = { name: 'Ann Bee', firstName: 'Ann', lastName: 'Bee', email: 'secret@x.io' }
    ann.say({ type: 'SET_USER', payload: { userId: 'bob', userInfo }, operationId: 'set-user-1', timestamp: 1 })
    const frame = await listed(bob, ['ann', 'bob'])
    expect(frame.payload).toEqual({
      projectId: 'p1',
      activeUsers: [
        { userId: 'ann', clientId: ann.clientId, joinedAt: MS, initials: 'AB' },
        { userId: 'bob', clientId: bob.clientId, joinedAt: MS, initials: 'OB' },
      ],
      userCount: 2,
    })
    await ann.expectCount(2, ({ type }) => type === 'USER_PRESENCE')
    // No reply, and nothing else: the e-mail is nobody's business.
    expect(ann.taken().map(({ type, payload }) => [type, payload?.projectId])).toEqual(
      expect.arrayContaining([
        ['USER_PRESENCE', 'p1'],
        ['USER_PRESENCE', 'p2'],
      ]),
    )
    const cat = await connect(server, 'cat')
    const { presence } = await join(cat, 'project:p1')
    expect(presence.members[0]).toMatchObject({ user: { id: 'ann' }, state: { name: 'Ann Bee', initials: 'AB' } })
    expect(JSON.stringify([presence, bob.received])).not.toContain('secret@')
  })
})

describe('what is relayed', () => {
  test('[D5] the seven words reach everybody else in the project, as they were said', async () => {
    const server = await withKey()
    const [ann, bob, cat] = await together(server, 'p1', 'ann', 'bob', 'cat')
    const [dan] = await together(server, 'p2', 'dan')
    const payload = { id: 't1', projectId: 'p1', changes: { status: 'IN_REVIEW', n: null }, type: 'X', __v: [1, {}] }
    for (const type of RELAYED) {
      ann.say({ type, projectId: 'p1', payload, operationId: `op-${type}`, timestamp: 1, userId: 'ann' })
      ann.say({ type, projectId: 'p1', payload })
    }
    for (const one of [bob, cat]) await one.expectCount(14, ({ type }) => RELAYED.includes(String(type)))
    const [own, ...others] = await marked(server, 'p1', [ann, bob, cat])
    expect(own).toEqual([])
    for (const frames of others) {
      expect(frames.map(bare)).toEqual(
        RELAYED.flatMap((type) => [
          { type, payload, operationId: `op-${type}`, timestamp: MS },
          { type, payload, timestamp: MS },
        ]),
      )
      for (const { timestamp } of frames) isNow(timestamp)
    }
    expect((await marked(server, 'p2', [dan]))[0]).toEqual([])
  })

  test('[D5] any payload is relayed as it is, and none as none', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const payloads = ['text', 7, [1, 2], null, false, {}, { id: 't1', content: '' }]
    for (const payload of payloads) ann.say({ type: 'TASK_UPDATE', projectId: 'p1', payload, operationId: 'op-1' })
    ann.say({ type: 'TASK_UPDATE', projectId: 'p1' })
    await bob.expectCount(payloads.length + 1, ({ type }) => type === 'TASK_UPDATE')
    const [own, frames] = await marked(server, 'p1', [ann, bob])
    expect(own).toEqual([])
    expect(frames?.map(bare)).toEqual([
      ...payloads.map((payload) => ({ type: 'TASK_UPDATE', payload, operationId: 'op-1', timestamp: MS })),
      { type: 'TASK_UPDATE', timestamp: MS },
    ])
  })

  test('[D5] an operationId that comes back with another body is another fact; with the same, it is said once', async () => {
    const server = await withKey()
    const [ann, bob, cat] = await together(server, 'p1', 'ann', 'bob', 'cat')
    const said = (n: number) => ({
      type: 'TASK_UPDATE',
      projectId: 'p1',
      payload: { id: 't1', n },
      operationId: 'op-1',
    })
    for (const n of [1, 2, 1]) ann.say(said(n))
    await bob.expectCount(2, ({ type }) => type === 'TASK_UPDATE')
    // Another person's is another fact as well.
    cat.say(said(1))
    await bob.expectCount(3, ({ type }) => type === 'TASK_UPDATE')
    const [, frames] = await marked(server, 'p1', [ann, bob])
    expect(frames?.map(({ payload, operationId }) => [payload?.n, operationId])).toEqual([
      [1, 'op-1'],
      [2, 'op-1'],
      [1, 'op-1'],
    ])
  })
})

describe('[D7] a client that comes back', () => {
  test('with the place it had is sent what it missed, before anything live; without, nothing', async () => {
    const server = await withKey()
    const [bob, eve, ann] = await together(server, 'p1', 'bob', 'eve', 'ann')
    ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    const { epoch, seq, channel } = await listed(ann, ['bob', 'eve', 'ann'])
    expect([epoch, seq, channel]).toEqual([expect.any(String), 0, 'project:p1'])
    ann.ws.terminate()
    await listed(bob, ['bob', 'eve'])
    bob.say({ type: 'TASK_CREATE', projectId: 'p1', payload: { id: 't1' }, operationId: 'op-1' })
    await eve.expect('TASK_CREATE')
    await broadcast(server, { type: 'COMMENT_DELETE', projectId: 'p1', payload: { id: 'c1' }, userId: 'ann' })
    const again = await openTasks(server, 'ann')
    again.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'ann', since: { epoch, seq } })
    bob.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't1' } })
    const joined = await listed(again, ['bob', 'eve', 'ann'])
    expect(joined).toMatchObject({ epoch, channel: 'project:p1', recovered: true })
    await again.expect('TASK_UPDATE')
    const told = again.taken().filter(({ type }) => !['CONNECTION_ESTABLISHED', 'USER_PRESENCE'].includes(String(type)))
    expect(told.map((frame) => [frame.type, frame.seq])).toEqual([
      ['TASK_CREATE', 1],
      ['COMMENT_DELETE', 2],
      ['TASK_UPDATE', 3],
    ])
    expect(told.slice(0, 2).map(bare)).toEqual([
      { type: 'TASK_CREATE', payload: { id: 't1' }, operationId: 'op-1', timestamp: MS },
      {
        type: 'COMMENT_DELETE',
        payload: { id: 'c1', commentId: 'c1' },
        operationId: expect.stringMatching(/^broadcast-\d{13}$/),
        timestamp: MS,
        userId: 'ann',
      },
    ])

    const fresh = await openTasks(server, 'cat')
    fresh.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    const first = await listed(fresh, ['bob', 'eve', 'ann', 'cat'])
    expect(first).toMatchObject({ epoch, seq: 3 })
    expect(first).not.toHaveProperty('recovered')
    expect((await marked(server, 'p1', [fresh]))[0]?.map(({ type }) => type)).toEqual([
      'CONNECTION_ESTABLISHED',
      'USER_PRESENCE',
    ])
  })
})

describe('[D3] where claims are believed', () => {
  const believing = () => withKey({ insecureIdentity: true })

  test('a client is nobody, and not listed, until it says who it is', async () => {
    const server = await believing()
    const [nobody, other] = [await openTasks(server), await openTasks(server)]
    nobody.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
    expect((await listed(nobody, [])).payload).toEqual({ projectId: 'p1', activeUsers: [], userCount: 0 })
    other.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'bob' })
    for (const one of [nobody, other]) await listed(one, ['bob'])
    // Nobody may join and relay, as ever.
    nobody.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't1' }, operationId: 'op-1' })
    expect(bare(await other.expect('TASK_UPDATE'))).toEqual({
      type: 'TASK_UPDATE',
      payload: { id: 't1' },
      operationId: 'op-1',
      timestamp: MS,
    })
    const userInfo = { name: 'Ann Bee' }
    nobody.say({ type: 'SET_USER', payload: { userId: 'u1', userInfo } })
    nobody.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't2' } })
    const shown = (frame: Parameters<typeof activeUsers>[0]) =>
      activeUsers(frame).some(({ clientId, initials }) => clientId === nobody.clientId && initials === 'AB')
    for (const one of [nobody, other]) await listed(one, ['bob', 'u1'], shown)
    await other.expect('TASK_UPDATE', ({ payload }) => payload?.id === 't2')
    // It is greeted once, whoever it becomes.
    expect(nobody.received.filter(({ type }) => type === 'CONNECTION_ESTABLISHED').length).toBe(1)
  })
})

describe('POST /broadcast', () => {
  test('[D5] reaches everybody in the project, and says whose it is', async () => {
    const server = await withKey()
    const [ann, bob] = await together(server, 'p1', 'ann', 'bob')
    const [dan] = await together(server, 'p2', 'dan')
    const payload = { id: 't1', projectId: 'p1', changes: { status: 'BLOCKED' }, operationId: 'in', timestamp: 5 }
    const said = { type: 'TASK_UPDATE', payload, projectId: 'p1' }
    const timestamp = 1_703_123_456_789
    const first = await broadcast(server, { ...said, operationId: 'task-update-1', timestamp, userId: 'ann' })
    expect(first).toEqual({
      status: 200,
      body: {
        success: true,
        message: 'Broadcast sent',
        projectId: 'p1',
        clientCount: 2,
        operationId: 'task-update-1',
        channel: 'project:p1',
        epoch: expect.any(String),
        seq: 1,
      },
    })
    const second = await broadcast(server, { ...said, operationId: null, timestamp: null, userId: null })
    const frames = await marked(server, 'p1', [ann, bob])
    for (const came of frames) {
      expect(came.map(bare)).toEqual([
        { type: 'TASK_UPDATE', payload, operationId: 'task-update-1', timestamp, userId: 'ann' },
        { type: 'TASK_UPDATE', payload, operationId: second.body.operationId, timestamp: MS, userId: null },
      ])
      expect(came[1]?.operationId).toBe(`broadcast-${came[1]?.timestamp}`)
      isNow(came[1]?.timestamp)
    }
    expect((await marked(server, 'p2', [dan]))[0]).toEqual([])
    expect((await broadcast(server, { ...said, projectId: 'empty' })).body).toMatchObject({
      success: true,
      clientCount: 0,
    })
  })
})
