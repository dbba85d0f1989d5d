// The ways of the families' own clients, from opening a page to closing it: what they do unasked has to work, too.
import { describe, expect, test } from 'vitest'
import { KEY } from '../support/api.ts'
import { active, aMoment, bare, boardToken, count, joined, left, openBoard, twoInProject } from '../support/board.ts'
import { clientOf, connect, expectRefusal, expectReply, join } from '../support/connect.ts'
import { MS, open, saidByLibrary, upToMark } from '../support/dashboard.ts'
import { as, type Frame, openPlain, plainTo } from '../support/plain.ts'
import { startServer } from '../support/start-server.ts'
import { bare as bareFrame, broadcast, listed, marked, openTasks, together } from '../support/task-clients.ts'
import { until } from '../support/until.ts'

describe('a page of the board', () => {
  test('[D5] joins as it connects and in an effect, leaves when one component goes: it is out, and told so once', async () => {
    const server = await startServer()
    const ann = await openBoard(server, 'ann')
    await ann.join('p1')
    const ben = await openBoard(server, 'ben')
    // A component that was mounted and unmounted before anything was joined.
    ben.say('leave-project', 'p1')
    await ben.expectNothing()
    await aMoment()
    for (const event of ['join-project', 'join-project', 'leave-project', 'leave-project']) ben.say(event, 'p1')
    expect(await ann.take(7)).toEqual([
      ...[joined(ben), count(2)],
      ...[joined(ben), count(2)],
      ...[left(ben), active('ann'), count(1)],
    ])
    expect((await ben.take(4)).map(([event]) => event)).toEqual([
      ...['users:active', 'users:count'],
      ...['users:active', 'users:count'],
    ])
    ann.say('task:delete', { projectId: 'p1', taskId: 't1' })
    await ann.expectNothing()
    await ben.expectNothing()
    ben.say('join-project', 'p1')
    expect(await ann.take(2)).toEqual([joined(ben), count(2)])
  })

  test('[D5] what it says while it is away is sent before it joins again, and not lost; cursors are', async () => {
    const server = await startServer()
    const { ann } = await twoInProject(server)
    const socket = clientOf(server, { token: boardToken('cat') })
    const frames: [string, unknown][] = []
    socket.onAny((event: string, body: unknown) => frames.push([event, body]))
    socket.on('connect', () => socket.emit('join-project', 'p1'))
    // A stock client keeps these until it is connected, and sends them before anybody hears that it is.
    socket.emit('task:create', { projectId: 'p1', task: { id: 't1' } })
    socket.emit('canvas:cursor', { projectId: 'p1', position: { x: 1, y: 1 } })
    socket.emit('task:move', { projectId: 'p1', taskId: 't1', status: 'DONE' })
    socket.connect()
    // Who is here and what is done come different ways from another node.
    const told = (await ann.take(4)).map(([event]) => event)
    expect(told.filter((event) => event.startsWith('user'))).toEqual(['user:joined', 'users:count'])
    expect(told.filter((event) => event.startsWith('task'))).toEqual(['task:create', 'task:move'])
    await until('it was told who is here', () => frames.some(([event]) => event === 'users:count'))
    await ann.expectNothing()
    expect(frames.map(([event]) => event)).toEqual(['connected', 'users:active', 'users:count'])
  })

  test('[CON4] is greeted before anything else, however soon it joins', async () => {
    const server = await startServer()
    const words = await Promise.all(
      Array.from({ length: 24 }, async (_, n) => {
        const socket = clientOf(server, { token: boardToken(`u${n}`) })
        const events: string[] = []
        socket.onAny((event: string) => events.push(event))
        socket.on('connect', () => socket.emit('join-project', `p${n}`))
        socket.connect()
        await until('it was told all of it', () => events.length === 3)
        return events
      }),
    )
    for (const events of words) expect(events).toEqual(['connected', 'users:active', 'users:count'])
  })

  test('[D4] what it said before it joined another project is refused to it, and nobody is told', async () => {
    const server = await startServer()
    const { ann } = await twoInProject(server)
    const eve = await openBoard(server, 'eve')
    eve.say('task:create', { projectId: 'p1', task: { id: 'evil' } })
    eve.say('join-project', 'p2')
    const told = await eve.take(3)
    expect(told.filter(([event]) => event === 'error')).toEqual([
      [
        'error',
        { message: expect.stringContaining('project:p1'), code: 'not_joined', retryable: false, event: 'task:create' },
      ],
    ])
    await ann.expectNothing()
    await expectReply(ann.client, 'channel:history', { channel: 'project:p1' }).then(({ events }) =>
      expect(events).toEqual([]),
    )
  })

  test('[D1] that has joined in the words of the protocol already goes on in its own', async () => {
    const server = await startServer()
    const { ann } = await twoInProject(server)
    const cat = await connect(server, 'cat')
    await join(cat, 'project:p1')
    cat.socket.emit('task:create', { projectId: 'p1', task: { id: 't1' } })
    const created = (await ann.take(3)).filter(([event]) => event === 'task:create')
    expect(created.map(bare)).toEqual([['task:create', { id: 't1' }]])
    // From its own join on it is told in its own words, too.
    cat.received.splice(0)
    cat.socket.emit('join-project', 'p1')
    expect((await ann.take(2)).map(([event]) => event)).toEqual(['user:joined', 'users:count'])
    await until('it was told who is here', () => cat.received.some(({ event }) => event === 'users:count'))
    expect(cat.received.map(({ event }) => event)).toEqual(['users:active', 'users:count'])
    // Whoever waits for an answer gets one.
    const eve = await connect(server, 'eve')
    const refusal = await expectRefusal(eve, 'task:create', { projectId: 'p1', payload: {} })
    expect(refusal).toMatchObject({ code: 'invalid', details: [{ path: 'channel' }] })
    // Or it joins after it has spoken.
    const dan = await connect(server, 'dan')
    dan.socket.emit('task:create', { projectId: 'p1', task: { id: 't2' } })
    await join(dan, 'project:p1')
    const told = (await ann.take(3)).map(([event]) => event)
    expect(told.toSorted()).toEqual(['task:create', 'user:joined', 'users:count'])
  })

  test('[D5] is in two projects, each by itself: each is told when it leaves or is gone', async () => {
    const server = await startServer()
    const [ann, ben, cat] = [
      await openBoard(server, 'ann'),
      await openBoard(server, 'ben'),
      await openBoard(server, 'cat'),
    ]
    await ann.join('p1')
    await ben.join('p2')
    await aMoment()
    for (const projectId of ['p1', 'p2']) await cat.join(projectId)
    for (const who of [ann, ben]) expect(await who.take(2)).toEqual([joined(cat), count(2)])
    cat.say('task:delete', { projectId: 'p2', taskId: 't2' })
    expect((await ben.take(1)).map(bare)).toEqual([['task:delete', { taskId: 't2' }]])
    cat.say('leave-project', 'p1')
    expect(await ann.take(3)).toEqual([left(cat), active('ann'), count(1)])
    await ben.expectNothing()
    await cat.join('p1')
    await ann.take(2)
    cat.socket.disconnect()
    expect(await ann.take(3)).toEqual([left(cat), active('ann'), count(1)])
    expect(await ben.take(3)).toEqual([left(cat), active('ben'), count(1)])
  })

  test('[LIFE2] that comes back by hand whenever the server ends it does so once when it is revoked', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const { ann } = await twoInProject(server)
    const socket = clientOf(server, {
      token: boardToken('cat'),
      reconnection: true,
      reconnectionDelay: 20,
      reconnectionDelayMax: 40,
    })
    const life: string[] = []
    socket.on('connect', () => {
      life.push('connect')
      socket.emit('join-project', 'p1')
    })
    socket.on('disconnect', (reason) => {
      life.push(reason)
      if (reason === 'io server disconnect') socket.connect()
    })
    const refused = new Promise((resolve) =>
      socket.on('connect_error', ({ message }) => {
        life.push(message)
        resolve(message)
      }),
    )
    socket.connect()
    await ann.take(2)
    const response = await fetch(`${server.url}/api/v1/users/cat/revoke`, {
      method: 'POST',
      headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
      body: '{}',
    })
    expect(response.status).toBe(200)
    await refused
    expect((await ann.take(3)).map(([event]) => event)).toEqual(['user:left', 'users:active', 'users:count'])
    await ann.expectNothing()
    expect(life).toEqual(['connect', 'io server disconnect', expect.any(String)])
    expect(socket.active).toBe(false)
  })
})

describe('a page of the task board', () => {
  test('[D5] joins, says who it is 200 ms later, drops what is its own, and comes back without saying so again', async () => {
    const server = await startServer({ apiKeys: [KEY], insecureIdentity: true })
    const [bob] = await together(server, 'p1', 'bob')
    /** What the browser's hook makes of it. */
    const applied = (frames: readonly Frame[]) => frames.filter(({ userId }) => userId !== 'u1')
    const page = await openTasks(server)
    page.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'u1', operationId: 'join-project-1', timestamp: 1 })
    await listed(page, ['bob', 'u1'])
    const userInfo = { name: 'Ann Bee', firstName: 'Ann', lastName: 'Bee', email: 'ann@x.io' }
    page.say({ type: 'SET_USER', payload: { userId: 'u1', userInfo }, operationId: 'set-user-1', timestamp: 1 })
    const shown = ({ payload }: Frame) => JSON.stringify(payload).includes('"initials":"AB"')
    for (const one of [bob, page]) await one.expect('USER_PRESENCE', shown)
    page.taken()
    // Its own change comes back by the app's server, and another's.
    const update = (n: number, userId: string) => ({
      ...{ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't1', n } },
      ...{ operationId: `task-update-${n}`, timestamp: n, userId },
    })
    await broadcast(server, update(1, 'u1'))
    await broadcast(server, update(2, 'bob'))
    bob.say({ type: 'COMMENT_CREATE', projectId: 'p1', payload: { id: 'c1', taskId: 't1' }, operationId: 'op-1' })
    await page.expect('COMMENT_CREATE')
    const [frames = []] = await marked(server, 'p1', [page])
    expect(frames.map(({ type, operationId }) => [type, operationId])).toEqual([
      ['TASK_UPDATE', 'task-update-1'],
      ['TASK_UPDATE', 'task-update-2'],
      ['COMMENT_CREATE', 'op-1'],
    ])
    expect(applied(frames).map(bareFrame)).toEqual([
      { type: 'TASK_UPDATE', payload: { id: 't1', n: 2 }, operationId: 'task-update-2', timestamp: 2, userId: 'bob' },
      { type: 'COMMENT_CREATE', payload: { id: 'c1', taskId: 't1' }, operationId: 'op-1', timestamp: MS },
    ])
    page.ws.close(1000, 'Manual disconnect')
    await listed(bob, ['bob'])
    bob.taken()
    const again = await openTasks(server)
    again.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'u1' })
    await listed(again, ['bob', 'u1'])
    await listed(bob, ['bob', 'u1'])
    const [own, others] = await marked(server, 'p1', [again, bob])
    expect(own?.map(({ type }) => type)).toEqual(['CONNECTION_ESTABLISHED', 'USER_PRESENCE'])
    expect(others?.map(({ type }) => type)).toEqual(['USER_PRESENCE'])
  })
})

describe('a page of the community', () => {
  test('[D8] subscribes as the socket opens, and is in: what it said at once is not lost', async () => {
    const server = await startServer()
    const ann = await openPlain(server, `/api/community/ws${as('ann')}`)
    ann.say({ type: 'SUBSCRIBE', payload: { roomId: 'r1', since: null } })
    await ann.expect('SUBSCRIBED')
    ann.taken()
    const page = plainTo(server, `/api/community/ws${as('ben', { name: 'Ben' })}`)
    page.ws.once('open', () => {
      page.say({ type: 'SUBSCRIBE', payload: { roomId: 'r1' } })
      page.say({ type: 'PING' })
      page.say({ type: 'TYPING', payload: { userId: 'ben', userName: 'Ben', roomId: 'r1', isTyping: true } })
    })
    await ann.expect('TYPING')
    await page.expect('TYPING')
    const typing = { type: 'TYPING', payload: { userId: 'ben', userName: 'Ben', roomId: 'r1', isTyping: true } }
    // Presence and typing come different ways from another node.
    await ann.expect('USER_JOINED')
    const told = ann.taken().toSorted((a, b) => String(a.type).localeCompare(String(b.type)))
    expect(told).toEqual([typing, { type: 'USER_JOINED', payload: { userId: 'ben', userName: 'Ben', roomId: 'r1' } }])
    expect(page.taken()).toEqual([
      { type: 'USER_JOINED', payload: { userId: 'ben', message: 'Connected to WebSocket server' } },
      { type: 'PONG', payload: {} },
      typing,
    ])
  })
})

describe('the browser library of the dashboard', () => {
  test('[D8] asks where to connect, connects, and resolves each request by its id, among the facts of others', async () => {
    const server = await startServer({ insecureIdentity: true })
    const found = (await (await fetch(`${server.url}/api/realtime`)).json()) as { wsUrl: string }
    const path = new URL(found.wsUrl).pathname
    const page = await openPlain(server, `${path}?userId=u1`)
    // What it had queued, at once: it waits for no greeting.
    const waiting = new Map<string, (frame: Frame) => void>()
    page.ws.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame
      waiting.get(String(frame.id))?.(frame)
    })
    const request = (n: number, type: string, data: unknown) => {
      const answered = new Promise<Frame>((resolve) => waiting.set(`msg_${n}`, resolve))
      page.say(saidByLibrary(type, n, data))
      return answered
    }
    const [first, sync, refused] = await Promise.all([
      request(1, 'WIDGET_UPDATE', { widgetId: 'w', data: { value: 1 } }),
      request(2, 'SYNC_REQUEST', {}),
      request(3, 'WIDGET_LOAD', { widgetId: 'none', timestamp: 1 }),
    ])
    expect(first).toMatchObject({ type: 'ACK', id: 'msg_1', timestamp: MS, data: { received: true } })
    expect(sync).toMatchObject({ type: 'SYNC_RESPONSE', id: 'msg_2', data: { syncState: 'ready', clientCount: 1 } })
    expect(refused).toMatchObject({ id: 'msg_3', error: { code: 'not_found', message: expect.any(String) } })
    expect(page.received[0]?.type).toBe('CONNECT')
    page.say(saidByLibrary('PING', 4))
    page.say(saidByLibrary('PONG', 5))
    expect((await page.expect('PONG')).id).toBe('msg_4')
    expect(page.received.filter(({ id }) => id === 'msg_5')).toEqual([])
  })
})

test('[D5] what looks like a part of the language is data to every family, and comes out as it went in', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const text = '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"toString":"x","a":[[],{},null]}'
  // But for what could change an object that it is copied to.
  const kept = '{"constructor":{"prototype":1},"toString":"x","a":[[],{},null]}'
  const odd = JSON.parse(text) as object
  const { ann, ben } = await twoInProject(server)
  ann.say('task:create', { projectId: 'p1', task: odd })
  ann.say('canvas:update', { projectId: 'p1', changes: odd })
  for (const [, body] of (await ben.take(2)).map(bare)) expect(JSON.stringify(body)).toBe(kept)
  const [tom, tim] = await together(server, 'p2', 'tom', 'tim')
  tom.say(`{"type":"TASK_UPDATE","projectId":"p2","payload":${text}}`)
  expect(JSON.stringify((await tim.expect('TASK_UPDATE')).payload)).toBe(kept)
  const [dan, dee] = [await open(server, 'dan'), await open(server, 'dee')]
  dan.say(`{"type":"SYNC_UPDATE","id":"1","userId":"dan","payload":${text}}`)
  dan.say(`{"type":"WIDGET_UPDATE","id":"2","userId":"dan","payload":{"widgetId":"w","data":${text}}}`)
  await dan.expectCount(2, ({ type }) => type === 'ACK')
  const [came = []] = await upToMark(dan, dee)
  expect(came.map(({ payload }) => JSON.stringify(payload?.data ?? payload))).toEqual([kept, kept])
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})
