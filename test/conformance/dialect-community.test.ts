import { expect, test } from 'vitest'
import { KEY } from '../support/api.ts'
import { connect, expectEvent, expectReply, factsOf, join } from '../support/connect.ts'
import { as, type Frame, openPlain, type Plain, plainTo } from '../support/plain.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const path = '/api/community/ws'
const room = { roomId: 'r1' }
const channel = 'room:r1'

/** Somebody who is connected and has been greeted. */
async function open(server: TestServer, userId: string, claims: object = { name: nameOf(userId) }): Promise<Plain> {
  const plain = await openPlain(server, path + as(userId, { ...claims }))
  await plain.expect('USER_JOINED')
  return plain
}

/** Somebody who is in the room, and has nothing left to be told of that. */
async function enter(server: TestServer, userId: string, claims?: object): Promise<Plain> {
  const plain = await open(server, userId, claims)
  await subscribe(plain)
  plain.taken()
  return plain
}

async function subscribe(plain: Plain, payload: object = room, since: unknown = null): Promise<Frame> {
  const before = plain.received.length
  plain.say({ type: 'SUBSCRIBE', payload: { ...payload, since } })
  return plain.expect('SUBSCRIBED', (frame) => plain.received.indexOf(frame) >= before)
}

function nameOf(userId: string): string {
  return userId === 'ann' ? 'Ann Bee' : userId
}

/** Without the fields that may be added [D5]. */
function bare({ channel: _channel, epoch: _epoch, seq: _seq, ...frame }: Frame): Frame {
  return frame
}

/** Facts, presence and typing come different ways from another node: each has its order. */
function byWay(frames: Frame[]) {
  const presence = frames.filter(({ type }) => type === 'USER_JOINED' || type === 'USER_LEFT')
  const typing = frames.filter(({ type }) => type === 'TYPING')
  const facts = frames.filter((frame) => !presence.includes(frame) && !typing.includes(frame))
  return { presence, typing, facts }
}

/** Has everybody in the room told something last, and gives back what each was told before it. */
async function until(server: TestServer, ...clients: Plain[]): Promise<Frame[][]> {
  const mark = crypto.randomUUID()
  await server.server.publish(channel, { type: 'round:over', payload: { mark } })
  return Promise.all(
    clients.map(async (client) => {
      await client.expect('ROUND_OVER', ({ payload }) => payload?.mark === mark)
      return client.taken().filter(({ type }) => type !== 'ROUND_OVER')
    }),
  )
}

async function api(server: TestServer, userId: string, method: string, at: string, body?: object) {
  const headers = {
    authorization: `Bearer ${tokenFor(userId, { name: nameOf(userId) })}`,
    'content-type': 'application/json',
  }
  const response = await fetch(`${server.url}/api/community/messages${at}`, {
    method,
    headers,
    ...(body && { body: JSON.stringify(body) }),
  })
  return (await response.json()) as { data: { id: string; createdAt: string } }
}

test('[D5] a client is greeted by its name, and PING is answered with PONG, with a payload or without', async () => {
  const server = await startServer()
  const ann = await openPlain(server, path + as('ann'))
  ann.say({ type: 'PING' })
  ann.say({ type: 'PING', payload: {} })
  await ann.expectCount(2, ({ type }) => type === 'PONG')
  expect(ann.taken()).toEqual([
    { type: 'USER_JOINED', payload: { userId: 'ann', message: 'Connected to WebSocket server' } },
    { type: 'PONG', payload: {} },
    { type: 'PONG', payload: {} },
  ])
})

test('[D3] no token, a bad one, an expired one and a mere claim get HTTP 401, before anything is accepted', async () => {
  const server = await startServer()
  const expired = tokenFor('ann', { exp: 1 })
  for (const query of ['', '?token=', '?token=nonsense', `?token=${expired}`, '?userId=ann']) {
    const { ws, closed } = plainTo(server, path + query)
    const status = new Promise((resolve) => ws.once('unexpected-response', (_request, response) => resolve(response)))
    expect(await status, query).toMatchObject({ statusCode: 401, statusMessage: 'Unauthorized' })
    ws.terminate()
    await closed
  }
})

test('[D8] SUBSCRIBE joins and UNSUBSCRIBE leaves, without an answer; the others are told who came and went', async () => {
  const server = await startServer()
  for (const address of [room, { groupId: 'g1' }]) {
    const ann = await open(server, 'ann')
    await subscribe(ann, address)
    ann.taken()
    const image = 'https://x/ben.png'
    const ben = await open(server, 'ben', { name: 'Ben', picture: image })
    ben.taken()
    ben.say({ type: 'SUBSCRIBE', payload: address })
    ben.say({ type: 'SUBSCRIBE', payload: address })
    ben.say({ type: 'TYPING', payload: { userId: 'ben', userName: 'Ben', ...address, isTyping: true } })
    const typing = { type: 'TYPING', payload: { userId: 'ben', userName: 'Ben', ...address, isTyping: true } }
    await ben.expect('TYPING')
    ben.say({ type: 'UNSUBSCRIBE', payload: address })
    ben.say({ type: 'UNSUBSCRIBE', payload: address })
    await ann.expect('USER_LEFT')
    await ann.expect('TYPING', ({ payload }) => payload?.isTyping === false)
    expect(byWay(ann.taken())).toEqual({
      presence: [
        { type: 'USER_JOINED', payload: { userId: 'ben', userName: 'Ben', userImage: image, ...address } },
        { type: 'USER_LEFT', payload: { userId: 'ben', ...address } },
      ],
      typing: [typing, { type: 'TYPING', payload: { ...typing.payload, isTyping: false } }],
      facts: [],
    })
    // Whoever left is told nothing more.
    ann.say({ type: 'TYPING', payload: { ...address, isTyping: true } })
    await ann.expect('TYPING')
    ben.say({ type: 'PING' })
    await ben.expect('PONG')
    expect(ben.taken()).toEqual([typing, { type: 'PONG', payload: {} }])
  }
})

test('[D5] TYPING comes back to its sender too, under the identity of the token whatever the frame says', async () => {
  const server = await startServer()
  const [ann, tab, ben] = [await enter(server, 'ann'), await enter(server, 'ann'), await enter(server, 'ben')]
  const elsewhere = await open(server, 'cid')
  await subscribe(elsewhere, { roomId: 'r2' })
  await until(server, ann, tab, ben)
  elsewhere.taken()
  ann.say({ type: 'TYPING', payload: { userId: 'ben', userName: 'Ben', ...room, isTyping: true } })
  ann.say({ type: 'TYPING', payload: { ...room, isTyping: false } })
  const typing = (isTyping: boolean) => ({
    type: 'TYPING',
    payload: { userId: 'ann', userName: 'Ann Bee', ...room, isTyping },
  })
  for (const client of [ann, tab, ben]) {
    await client.expect('TYPING', ({ payload }) => payload?.isTyping === false)
    expect(client.taken()).toEqual([typing(true), typing(false)])
  }
  elsewhere.say({ type: 'PING' })
  await elsewhere.expect('PONG')
  expect(elsewhere.taken()).toEqual([{ type: 'PONG', payload: {} }])
})

test('[D5] where the token gives no name these clients show the one of the frame, and nobody else believes it', async () => {
  const server = await startServer()
  const [ann, ben] = [await enter(server, 'ann', {}), await enter(server, 'ben')]
  const canonical = await connect(server, 'cid')
  await join(canonical, channel)
  ann.say({ type: 'TYPING', payload: { userId: 'x', userName: 'John Doe', ...room, isTyping: true } })
  ann.say({ type: 'TYPING', payload: { ...room, isTyping: false } })
  const named = { type: 'TYPING', payload: { userId: 'ann', userName: 'John Doe', ...room, isTyping: true } }
  for (const client of [ann, ben]) {
    await client.expect('TYPING', ({ payload }) => payload?.isTyping === false)
    const told = client.taken().filter(({ type }) => type === 'TYPING')
    expect(told).toEqual([named, { type: 'TYPING', payload: { userId: 'ann', ...room, isTyping: false } }])
  }
  const told = await expectEvent<object>(canonical, 'typing')
  expect(told).toEqual({ channel, user: { id: 'ann' }, isTyping: true })
})

test('[D5] DM_TYPING reaches all connections of the one it is for, and nobody else', async () => {
  const server = await startServer()
  const [ann, ben, phone] = [await enter(server, 'ann'), await enter(server, 'ben'), await open(server, 'ben')]
  const cid = await enter(server, 'cid')
  await until(server, ann, ben, cid)
  phone.taken()
  for (const isTyping of [true, false]) {
    const payload = { userId: 'cid', userName: 'Cid', targetUserId: 'ben', isTyping }
    ann.say({ type: 'DM_TYPING', payload })
  }
  const direct = (isTyping: boolean) => ({
    type: 'DM_TYPING',
    payload: { userId: 'ann', userName: 'Ann Bee', isTyping },
  })
  for (const client of [ben, phone]) {
    await client.expect('DM_TYPING', ({ payload }) => payload?.isTyping === false)
    expect(client.taken()).toEqual([direct(true), direct(false)])
  }
  expect(await until(server, ann, cid)).toEqual([[], []])
})

test('[D5] a message, its edit and its deletion over HTTP reach everybody in the room, the author too', async () => {
  const server = await startServer()
  const [ann, ben] = [await enter(server, 'ann'), await enter(server, 'ben')]
  const canonical = await connect(server, 'cid')
  await join(canonical, channel)
  await until(server, ann, ben)
  const { data } = await api(server, 'ann', 'POST', '', { content: ' Hello, world! ', ...room })
  await api(server, 'ann', 'PATCH', `/${data.id}`, { content: 'Updated' })
  await api(server, 'ann', 'DELETE', `/${data.id}`)
  const author = { authorId: 'ann', authorName: 'Ann Bee' }
  const expected = [
    {
      type: 'CHAT_MESSAGE',
      payload: {
        id: data.id,
        content: 'Hello, world!',
        ...room,
        ...author,
        isEdited: false,
        createdAt: data.createdAt,
      },
    },
    { type: 'MESSAGE_EDIT', payload: { messageId: data.id, content: 'Updated', ...room } },
    { type: 'MESSAGE_DELETE', payload: { messageId: data.id, ...room } },
  ]
  for (const told of await until(server, ann, ben)) {
    expect(told.map(bare)).toEqual(expected)
    expect(told.map(({ channel, seq }) => [channel, seq])).toEqual([2, 3, 4].map((seq) => [channel, seq]))
  }
  await expectEvent(canonical, 'message:delete')
  const seen = factsOf(canonical, channel).filter(({ seq }) => seq < 5)
  expect(seen.map(({ type }) => type)).toEqual(['round:over', 'message:send', 'message:edit', 'message:delete'])
})

test('[D1] what a client of the protocol says is told in these words, and its facts without one in their style', async () => {
  const server = await startServer({ events: { 'card:move': {} } })
  const ben = await enter(server, 'ben')
  const canonical = await connect(server, 'ann', {
    token: tokenFor('ann', { name: 'Ann Bee', picture: 'https://x/a.png' }),
  })
  await join(canonical, channel)
  const sent = await expectReply<{ messageId: string; timestamp: number }>(canonical, 'message:send', {
    channel,
    payload: { content: 'hi' },
  })
  await expectReply(canonical, 'card:move', { channel, payload: { to: 3 } })
  await expectReply(canonical, 'comment:create', { channel, payload: { text: 'x' } })
  await expectReply(canonical, 'typing', { channel, isTyping: true })
  await expectReply(canonical, 'cursor', { channel, position: { x: 1 } })
  // Nobody is taken for the app by the name of a signal.
  await expectReply(canonical, 'signal', { channel, name: 'CHAT_MESSAGE', payload: { id: 'forged' } })
  await expectReply(canonical, 'channel:leave', { channel })
  await ben.expect('USER_LEFT')
  await ben.expect('TYPING', ({ payload }) => payload?.isTyping === false)
  await ben.expect('COMMENT_CREATE')
  const person = { userId: 'ann', userName: 'Ann Bee' }
  const all = ben.taken().map(bare)
  expect(byWay(all)).toEqual({
    facts: [
      {
        type: 'CHAT_MESSAGE',
        payload: {
          id: sent.messageId,
          content: 'hi',
          ...room,
          authorId: 'ann',
          authorName: 'Ann Bee',
          authorImage: 'https://x/a.png',
          isEdited: false,
          createdAt: new Date(sent.timestamp).toISOString(),
        },
      },
      { type: 'CARD_MOVE', payload: { to: 3 } },
      { type: 'COMMENT_CREATE', payload: { text: 'x' } },
    ],
    presence: [
      { type: 'USER_JOINED', payload: { ...person, userImage: 'https://x/a.png', ...room } },
      { type: 'USER_LEFT', payload: { userId: 'ann', ...room } },
    ],
    typing: [
      { type: 'TYPING', payload: { ...person, ...room, isTyping: true } },
      { type: 'TYPING', payload: { ...person, ...room, isTyping: false } },
    ],
  })
})

test('[D1] a client of the protocol sees who is here, and who types', async () => {
  const server = await startServer()
  const canonical = await connect(server, 'cid')
  await join(canonical, channel)
  const ann = await enter(server, 'ann')
  const joined = await expectEvent<{ member: { user: object } }>(canonical, 'presence:join')
  expect(joined.member.user).toEqual({ id: 'ann', name: 'Ann Bee' })
  ann.say({ type: 'TYPING', payload: { ...room, isTyping: true } })
  expect(await expectEvent<object>(canonical, 'typing')).toEqual({
    channel,
    user: { id: 'ann', name: 'Ann Bee' },
    isTyping: true,
  })
  ann.ws.close(1000)
  expect(await expectEvent<object>(canonical, 'presence:leave')).toEqual({ channel, userId: 'ann' })
})

test('[D5] what cannot be read is answered by a MESSAGE_EDIT that says so; what is unknown by nothing', async () => {
  const server = await startServer()
  const [ann, ben] = [await enter(server, 'ann'), await enter(server, 'ben')]
  await until(server, ann, ben)
  const unreadable = { type: 'MESSAGE_EDIT', payload: { error: 'Invalid message format' } }
  const wrong = ['{', '', 'null', '{"type":"TYPING"}', '{"type":"SUBSCRIBE","payload":null}']
  for (const frame of wrong) ann.say(frame)
  ann.say('[1'.repeat(40))
  await ann.expectCount(6, ({ type }) => type === 'MESSAGE_EDIT')
  expect(ann.taken()).toEqual(Array(6).fill(unreadable))
  ann.say({ type: 'DM_TYPING', payload: { targetUserId: 'x'.repeat(257), isTyping: true } })
  const refused = await ann.expect('MESSAGE_EDIT')
  expect(refused.payload).toEqual({ error: expect.stringMatching(/^typing:direct: userId: /) })
  ann.taken()
  const ignored = [
    1,
    'text',
    [],
    {},
    { type: 7 },
    { type: 'NO_SUCH', payload: {} },
    { type: 'CHAT_MESSAGE', payload: { content: 'hi', ...room } },
    { type: 'TYPING', payload: { isTyping: true } },
    { type: 'TYPING', payload: { roomId: {}, isTyping: true } },
    { type: 'DM_TYPING', payload: { isTyping: true } },
    { type: 'SUBSCRIBE', payload: {} },
  ]
  for (const frame of ignored) ann.say(JSON.stringify(frame))
  expect(await until(server, ann, ben)).toEqual([[], []])
})

test('[D4] nobody types in a room they have not joined, and nobody joins one that is not theirs', async () => {
  const server = await startServer({ access: 'members', apiKeys: [KEY] })
  const role = (userId: string, role: string, where = channel) =>
    fetch(`${server.url}/api/v1/channels/${where}/members/${userId}`, {
      method: 'PUT',
      headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
      body: JSON.stringify({ role }),
    })
  await role('ann', 'commenter')
  await role('ben', 'commenter')
  const [ann, ben] = [await enter(server, 'ann'), await open(server, 'ben')]
  ben.taken()
  ben.say({ type: 'TYPING', payload: { ...room, isTyping: true } })
  await ben.expectCount(1, ({ type }) => type === 'MESSAGE_EDIT')
  ben.say({ type: 'SUBSCRIBE', payload: { groupId: 'g1' } })
  await ben.expectCount(2, ({ type }) => type === 'MESSAGE_EDIT')
  ben.say({ type: 'SUBSCRIBE', payload: { roomId: '../x' } })
  await ben.expectCount(3, ({ type }) => type === 'MESSAGE_EDIT')
  expect(ben.taken().map(({ payload }) => payload?.error)).toEqual([
    'Send SUBSCRIBE for room:r1 first',
    'This needs the right to read in group:g1; you have none there',
    expect.stringMatching(/^channel:join: channel: expected a channel address/),
  ])
  expect(await until(server, ann)).toEqual([[]])

  // Whoever loses the room is told once, and then nothing more of it.
  await subscribe(ben)
  await until(server, ann, ben)
  await role('ben', 'none')
  await ben.expect('USER_LEFT')
  await ann.expect('USER_LEFT')
  await api(server, 'ann', 'POST', '', { content: 'secret', ...room })
  await ann.expect('CHAT_MESSAGE')
  ben.say({ type: 'PING' })
  await ben.expect('PONG')
  expect(ben.taken().map(bare)).toEqual([
    { type: 'MEMBER_CHANGED', payload: { userId: 'ben', role: 'none' } },
    { type: 'USER_LEFT', payload: { userId: 'ben', ...room } },
    { type: 'PONG', payload: {} },
  ])
})

test('[D7] a client that gives its position is sent what it missed before anything live, and its new position', async () => {
  const server = await startServer()
  const ann = await enter(server, 'ann')
  const ben = await open(server, 'ben')
  const first = await subscribe(ben)
  const { epoch } = first
  expect(first).toEqual({
    type: 'SUBSCRIBED',
    payload: { ...room, channel, epoch, seq: 0, recovered: false },
    channel,
    epoch,
    seq: 0,
  })
  await api(server, 'ann', 'POST', '', { content: 'one', ...room })
  const { seq } = await ben.expect('CHAT_MESSAGE')
  expect(seq).toBe(1)
  ben.ws.close(1000)
  await ben.closed
  for (const content of ['two', 'three']) await api(server, 'ann', 'POST', '', { content, ...room })
  await ann.expectCount(3, ({ type }) => type === 'CHAT_MESSAGE')

  const back = await open(server, 'ben')
  back.taken()
  await subscribe(back, room, { epoch, seq })
  await api(server, 'ann', 'POST', '', { content: 'four', ...room })
  await back.expect('CHAT_MESSAGE', ({ payload }) => payload?.content === 'four')
  const told = back.taken().map((frame) => [frame.type, frame.seq, frame.payload?.content ?? frame.payload?.recovered])
  expect(told).toEqual([
    ['CHAT_MESSAGE', 2, 'two'],
    ['CHAT_MESSAGE', 3, 'three'],
    ['SUBSCRIBED', 3, true],
    ['CHAT_MESSAGE', 4, 'four'],
  ])

  const lost = await open(server, 'cid')
  const reset = await subscribe(lost, room, { epoch: 'another', seq: 1 })
  expect(reset.payload).toEqual({ ...room, channel, epoch, seq: 4, recovered: false, reason: 'epoch_changed' })
  lost.taken()
  lost.say({ type: 'SUBSCRIBE', payload: { ...room, since: 'yesterday' } })
  const refused = await lost.expect('MESSAGE_EDIT')
  expect(refused.payload?.error).toBe('channel:join: since: expected an object, got text')
})

test('[MSG1] whoever is blocked gets none of the words, and none of the typing', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const [ann, ben] = [await enter(server, 'ann'), await enter(server, 'ben')]
  await until(server, ann, ben)
  const headers = { 'x-api-key': KEY }
  const blocked = await fetch(`${server.url}/api/v1/users/ann/blocks/ben`, { method: 'PUT', headers })
  expect(blocked.status).toBe(200)
  await api(server, 'ann', 'POST', '', { content: 'secret', ...room })
  ann.say({ type: 'TYPING', payload: { ...room, isTyping: true } })
  ann.say({ type: 'DM_TYPING', payload: { targetUserId: 'ben', isTyping: true } })
  ann.say({ type: 'DM_TYPING', payload: { targetUserId: 'ben', isTyping: false } })
  await ann.expect('TYPING')
  const [told, hidden] = await until(server, ann, ben)
  expect(told?.map(({ type }) => type).sort()).toEqual(['CHAT_MESSAGE', 'TYPING'])
  expect(hidden).toEqual([])
})
