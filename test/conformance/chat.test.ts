import { describe, expect, test } from 'vitest'
import { type MessageListReply, message, type ReadPosition } from '../../src/protocol/chat.ts'
import type { FactReply } from '../../src/protocol/envelope.ts'
import { MAX_REPLY_BYTES } from '../../src/protocol/limits.ts'
import { EDITS_KEPT } from '../../src/server/chat/rules.ts'
import {
  type Client,
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'room:r1'
const time = expect.any(Number)

type SendReply = FactReply & { messageId: string }

async function send(client: Client, content: string, more: Record<string, unknown> = {}): Promise<SendReply> {
  return expectReply<SendReply>(client, 'message:send', { channel, payload: { content, ...more } })
}

function edit(client: Client, messageId: string, content: string): Promise<SendReply> {
  return expectReply<SendReply>(client, 'message:edit', { channel, payload: { messageId, content } })
}

function remove(client: Client, messageId: string): Promise<SendReply> {
  return expectReply<SendReply>(client, 'message:delete', { channel, payload: { messageId } })
}

function list(client: Client, more: Record<string, unknown> = {}): Promise<MessageListReply> {
  return expectReply<MessageListReply>(client, 'message:list', { channel, ...more })
}

/** Somebody who is in the room. */
async function member(
  server: TestServer,
  userId: string,
  options: Parameters<typeof connect>[2] & { claims?: Record<string, unknown> } = {},
): Promise<Client> {
  const { claims, ...rest } = options
  const client = await connect(server, userId, { token: tokenFor(userId, claims), ...rest })
  await join(client, channel)
  return client
}

function publish(server: TestServer, content: string, userId = 'ann'): Promise<FactReply> {
  return server.server.publish(channel, { type: 'message:send', payload: { content }, userId })
}

describe.each(TRANSPORTS)('chat over %s', (transport) => {
  test('what is sent is told to everybody as a whole message, and listed so', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann', { transport, claims: { name: 'Ann', picture: 'https://x.test/a.png' } })
    const ben = await member(server, 'ben', { transport })
    const first = await send(ann, 'Hello', { id: 'm1' })
    expect(first).toEqual({
      ok: true,
      epoch: expect.any(String),
      seq: 1,
      operationId: expect.any(String),
      timestamp: time,
      messageId: 'm1',
    })
    const user = { id: 'ann', name: 'Ann', image: 'https://x.test/a.png' }
    const told = await expectEvent(ben, 'message:send')
    expect(told).toEqual({
      type: 'message:send',
      channel,
      epoch: first.epoch,
      seq: 1,
      operationId: first.operationId,
      user,
      payload: { id: 'm1', channel, seq: 1, user, content: 'Hello', createdAt: first.timestamp },
      timestamp: first.timestamp,
    })
    expect(message.parse(told.payload)).toEqual(told.payload)

    const answer = await send(ben, 'Hi', { replyTo: 'm1' })
    const heard = await expectEvent(ann, 'message:send')
    expect(heard.payload).toMatchObject({ id: answer.messageId, seq: 2, user: { id: 'ben' }, replyTo: 'm1' })
    await expectNothing(ben, 'error')
    expect(factsOf(ben, channel)).toHaveLength(1)

    expect(await list(ann)).toEqual({ ok: true, messages: [heard.payload, told.payload], hasMore: false })
    expect((await join(ann, channel, { last: 1 })).events).toEqual([heard])
  })

  test('an edit and a delete are told in short, and the message is listed as it then stands', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann', { transport })
    const ben = await member(server, 'ben', { transport })
    const { messageId } = await send(ann, 'Helo', { id: 'm1' })
    await send(ben, 'Hm', { id: 'm2', replyTo: 'm1' })
    const edited = await edit(ann, messageId, 'Hello')
    expect(edited).toMatchObject({ seq: 3, messageId })
    const told = await expectEvent(ben, 'message:edit')
    expect(told.payload).toEqual({ messageId, content: 'Hello', editedAt: edited.timestamp })
    expect(told.user).toEqual({ id: 'ann' })

    const deleted = await remove(ben, 'm2')
    expect(deleted).toMatchObject({ seq: 4, messageId: 'm2' })
    expect((await expectEvent(ann, 'message:delete')).payload).toEqual({
      messageId: 'm2',
      deletedAt: deleted.timestamp,
    })
    const stands = (await list(ben)).messages
    expect(stands).toEqual([
      {
        id: 'm2',
        channel,
        seq: 2,
        user: { id: 'ben' },
        content: '',
        replyTo: 'm1',
        createdAt: time,
        deletedAt: deleted.timestamp,
      },
      {
        id: 'm1',
        channel,
        seq: 1,
        user: { id: 'ann' },
        content: 'Hello',
        createdAt: time,
        editedAt: edited.timestamp,
      },
    ])
    // Without other words it is an edit all the same; what was deleted can still be answered.
    await edit(ann, 'm1', 'Hello')
    await send(ann, 'Why?', { replyTo: 'm2' })
    expect((await expectEvent(ben, 'message:send', ({ seq }) => seq === 6)).payload).toMatchObject({ replyTo: 'm2' })
  })

  test('[OP1] a repeat of a send without id gives the first messageId, and nothing new is told', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann', { transport })
    const ben = await member(server, 'ben', { transport })
    const body = { channel, operationId: 'op1', payload: { content: 'Once' } }
    const replies = await Promise.all([1, 2, 3].map(() => expectReply<SendReply>(ann, 'message:send', body)))
    replies.push(await expectReply<SendReply>(ann, 'message:send', body))
    const [first] = replies
    expect(first?.messageId).toEqual(expect.any(String))
    for (const again of replies.slice(1)) expect(again).toEqual({ ...first, duplicate: true })
    await send(ann, 'Then')
    await expectEvent(ben, 'message:send', ({ seq }) => seq === 2)
    expect(factsOf(ben, channel).map(({ seq, payload }) => [seq, payload.content])).toEqual([
      [1, 'Once'],
      [2, 'Then'],
    ])
    expect((await list(ann)).messages.map(({ id }) => id).at(-1)).toBe(first?.messageId)

    expect(await expectRefusal(ann, 'message:send', { ...body, payload: { content: 'Other' } })).toMatchObject({
      code: 'operation_mismatch',
    })
    // Of edits and deletes as well: what is done already is not found anew.
    const gone = { channel, operationId: 'op2', payload: { messageId: first?.messageId } }
    const deleted = await expectReply<SendReply>(ann, 'message:delete', gone)
    expect(await expectReply(ann, 'message:delete', gone)).toEqual({ ...deleted, duplicate: true })
    expect(await expectReply(ann, 'message:send', body)).toEqual({ ...first, duplicate: true })
  })

  test('what was read is remembered, never goes back, and is told to one’s other sessions in the channel', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann', { transport })
    const phone = await member(server, 'ann', { transport })
    const elsewhere = await connect(server, 'ann', { transport })
    const ben = await member(server, 'ben', { transport })
    for (const content of ['1', '2', '3', '4']) await send(ben, content)
    // Counted is what she has been told of, and ben may be on another node.
    await expectEvent(ann, 'message:send', ({ seq }) => seq === 4)
    const read = (client: Client, seq: number) => expectReply<ReadPosition>(client, 'message:read', { channel, seq })
    expect(await read(ann, 2)).toEqual({ ok: true, seq: 2, unread: 2 })
    expect(await expectEvent(phone, 'message:read')).toEqual({ channel, seq: 2, unread: 2 })
    await expectNothing(ann, 'message:read')
    expect(await read(phone, 1)).toEqual({ ok: true, seq: 2, unread: 2 })
    expect(await read(phone, 99)).toEqual({ ok: true, seq: 4, unread: 0 })
    expect(await expectEvent(ann, 'message:read', ({ seq }: { seq: number }) => seq === 4)).toMatchObject({ unread: 0 })
    expect(await read(ann, 3)).toMatchObject({ seq: 4, unread: 0 })
    for (const other of [ben, elsewhere]) await expectNothing(other, 'message:read')
    expect(await expectRefusal(elsewhere, 'message:read', { channel, seq: 1 })).toMatchObject({ code: 'not_joined' })
    for (const seq of [-1, 1.5, '1', undefined]) {
      expect(await expectRefusal(ann, 'message:read', { channel, seq })).toMatchObject({
        code: 'invalid',
        details: [{ path: 'seq' }],
      })
    }
    // Nothing of it is in the log.
    expect((await join(ann, channel)).head).toBe(4)
  })
})

describe('chat', () => {
  test('content: 1 to 4000 characters with something to see, in lines or not; the field is named', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    const ben = await member(server, 'ben')
    const { messageId } = await send(ann, 'x')
    const fine = ['x'.repeat(4000), '😀'.repeat(2000), 'a\n\tb\r\nc', '👩‍👩‍👧 é ‮ אב', '0', ' x ', '<b>&amp;</b>', '"\\']
    for (const content of fine) {
      const sent = await send(ann, content)
      expect((await expectEvent(ben, 'message:send', ({ seq }) => seq === sent.seq)).payload.content).toBe(content)
      expect((await list(ann, { limit: 1 })).messages[0]?.content).toBe(content)
      await edit(ann, messageId, content)
    }
    const bad = ['x'.repeat(4001), '', ' ', ' \n\t\u3000', 'a\u0000b', 'a\u001bb', 'a\ud800b', '\udc00', 7, null, ['x']]
    for (const content of [...bad, undefined]) {
      const refused = { code: 'invalid', retryable: false, message: expect.stringContaining('payload.content') }
      for (const [event, payload] of [
        ['message:send', { content }],
        ['message:edit', { messageId, content }],
      ] as const) {
        const error = await expectRefusal(ann, event, { channel, payload })
        expect(error, JSON.stringify(content)).toMatchObject(refused)
        expect(error.details?.[0]?.path).toBe('payload.content')
      }
    }
    expect((await join(ann, channel)).head).toBe(1 + 2 * fine.length)
  })

  test('ids: one’s own, once; malformed, taken and unknown ones are refused by their field', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    const ben = await member(server, 'ben')
    await send(ann, 'x', { id: 'm1' })
    await send(ann, 'x', { id: 'é 😀/"\'' })
    for (const person of [ann, ben]) {
      expect(
        await expectRefusal(person, 'message:send', { channel, payload: { content: 'y', id: 'm1' } }),
      ).toMatchObject({ code: 'invalid', details: [{ path: 'payload.id' }] })
    }
    for (const id of ['', 'x'.repeat(129), 'a\u0000', '\ud800', 7]) {
      for (const [event, payload] of [
        ['message:send', { content: 'y', id }],
        ['message:send', { content: 'y', replyTo: id }],
        ['message:edit', { content: 'y', messageId: id }],
        ['message:delete', { messageId: id }],
      ] as const) {
        expect(await expectRefusal(ann, event, { channel, payload })).toMatchObject({ code: 'invalid' })
      }
    }
    expect(
      await expectRefusal(ann, 'message:send', { channel, payload: { content: 'y', replyTo: 'm9' } }),
    ).toMatchObject({ code: 'not_found', details: [{ path: 'payload.replyTo' }] })
    for (const [event, payload] of [
      ['message:edit', { messageId: 'm9', content: 'y' }],
      ['message:delete', { messageId: 'm9' }],
    ] as const) {
      expect(await expectRefusal(ann, event, { channel, payload })).toMatchObject({
        code: 'not_found',
        details: [{ path: 'payload.messageId' }],
      })
    }
    // A message of one channel is none of another.
    await join(ann, 'room:r2')
    const other = { channel: 'room:r2', payload: { messageId: 'm1' } }
    expect(await expectRefusal(ann, 'message:delete', other)).toMatchObject({ code: 'not_found' })
    expect((await join(ann, channel)).head).toBe(2)
  })

  test('who may what: viewers only read; edits are the author’s; deletes the author’s and an admin’s', async () => {
    const server = await startServer({ access: 'claims' })
    const as = (userId: string, role: string) => member(server, userId, { claims: { channels: { [channel]: role } } })
    const viewer = await as('vic', 'viewer')
    const ann = await as('ann', 'commenter')
    const editor = await as('ed', 'editor')
    const admin = await as('ada', 'admin')
    const { messageId } = await send(ann, 'Hi')
    const body = (payload: Record<string, unknown>) => ({ channel, payload })
    const forbidden = { code: 'forbidden', retryable: false }
    expect(await expectRefusal(viewer, 'message:send', body({ content: 'x' }))).toMatchObject(forbidden)
    for (const other of [viewer, editor, admin]) {
      expect(await expectRefusal(other, 'message:edit', body({ messageId, content: 'x' }))).toMatchObject(forbidden)
    }
    for (const other of [viewer, editor]) {
      expect(await expectRefusal(other, 'message:delete', body({ messageId }))).toMatchObject(forbidden)
    }
    expect((await list(viewer)).messages).toMatchObject([{ content: 'Hi' }])
    expect(await expectReply(viewer, 'message:read', { channel, seq: 1 })).toMatchObject({ seq: 1, unread: 0 })

    await remove(admin, messageId)
    expect((await expectEvent(ann, 'message:delete')).user).toMatchObject({ id: 'ada' })
    expect((await list(viewer)).messages).toMatchObject([{ user: { id: 'ann' }, content: '' }])
    for (const [event, payload] of [
      ['message:edit', { messageId, content: 'x' }],
      ['message:delete', { messageId }],
    ] as const) {
      expect(await expectRefusal(ann, event, body(payload))).toMatchObject({ code: 'not_found' })
    }
    const outsider = await connect(server, 'out')
    expect(await expectRefusal(outsider, 'message:list', { channel })).toMatchObject({ code: 'not_joined' })
  })

  test('a server may send, edit and delete in nobody’s name, and send in somebody’s', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    const { messageId } = await send(ann, 'Hi')
    const say = (type: string, payload: Record<string, unknown>) => server.server.publish(channel, { type, payload })
    expect(await say('message:send', { content: 'Welcome', id: 'w' })).toMatchObject({ seq: 2, messageId: 'w' })
    expect((await expectEvent(ann, 'message:send')).payload).toMatchObject({ id: 'w', user: null })
    // A message is edited by its author alone.
    await say('message:edit', { messageId: 'w', content: 'Welcome all' })
    await expect(say('message:edit', { messageId, content: 'x' })).rejects.toMatchObject({ code: 'forbidden' })
    await publish(server, 'In his name', 'ben')
    // In somebody's name it may what they may.
    for (const type of ['message:edit', 'message:delete']) {
      const inBensName = { type, payload: { messageId, content: 'x' }, userId: 'ben' }
      await expect(server.server.publish(channel, inBensName)).rejects.toMatchObject({ code: 'forbidden' })
    }
    expect((await list(ann)).messages).toMatchObject([
      { user: { id: 'ben' } },
      { id: 'w', user: null, content: 'Welcome all' },
      { user: { id: 'ann' }, content: 'Hi' },
    ])
    await say('message:delete', { messageId })
    await expect(say('message:delete', { messageId })).rejects.toMatchObject({ code: 'not_found' })
    await expect(say('message:send', { content: '' })).rejects.toMatchObject({ code: 'invalid' })
    expect(await expectRefusal(ann, 'message:delete', { channel, payload: { messageId: 'w' } })).toMatchObject({
      code: 'forbidden',
    })
  })

  test('of a deleted message no words are left, in the log neither', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    const { messageId } = await send(ann, 'first secret')
    await send(ann, 'kept')
    await expectReply(ann, 'message:edit', { channel, payload: { messageId, content: 'second secret' } })
    await expectReply(ann, 'message:delete', { channel, payload: { messageId } })
    const { events, head } = await expectReply<{ events: unknown[]; head: number }>(ann, 'channel:history', { channel })
    expect({ head, places: events.length }).toEqual({ head: 4, places: 4 })
    expect(JSON.stringify(events)).not.toContain('secret')
    expect(JSON.stringify(events)).toContain('kept')
    const ben = await member(server, 'ben')
    expect(JSON.stringify(await join(ben, channel, { last: 10 }))).not.toContain('secret')
  })

  test('of a message edited often the newest words stay in the log, and none once it is deleted', async () => {
    const server = await startServer({ rateFactsPerSecond: 10_000 })
    const ann = await member(server, 'ann')
    const { messageId } = await send(ann, 'said first')
    await Promise.all(Array.from({ length: EDITS_KEPT + 2 }, (_, i) => edit(ann, messageId, `said ${i}`)))
    const words = async () => {
      const { events } = await expectReply<{ events: { payload: { content?: string } }[] }>(ann, 'channel:history', {
        channel,
        limit: 300,
      })
      return events.map(({ payload }) => payload.content)
    }
    const kept = Array.from({ length: EDITS_KEPT }, (_, i) => `said ${i + 2}`)
    expect((await words()).sort()).toEqual(['', '', 'said first', ...kept].sort())
    expect((await list(ann)).messages).toMatchObject([{ content: `said ${EDITS_KEPT + 1}` }])
    await remove(ann, messageId)
    expect((await words()).join('')).toBe('')
  })

  test('a message shows its author as they were when it was sent', async () => {
    const server = await startServer()
    const before = await member(server, 'ann', { claims: { name: 'Ann' } })
    const { messageId } = await send(before, 'Hi')
    const after = await member(server, 'ann', { claims: { name: 'Anna' } })
    await edit(after, messageId, 'Hello')
    expect((await expectEvent(before, 'message:edit')).user).toEqual({ id: 'ann', name: 'Anna' })
    expect((await list(after)).messages).toMatchObject([{ user: { id: 'ann', name: 'Ann' }, content: 'Hello' }])
  })

  test('two edits at once are both applied, in the order in which they are told', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    const phone = await member(server, 'ann')
    const ben = await member(server, 'ben')
    const { messageId } = await send(ann, 'Hi')
    for (let round = 0; round < 10; round++) {
      const edits = await Promise.all([edit(ann, messageId, `desk ${round}`), edit(phone, messageId, `phone ${round}`)])
      expect(edits.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual([2 + 2 * round, 3 + 2 * round])
      const last = await expectEvent(ben, 'message:edit', ({ seq }) => seq === 3 + 2 * round)
      expect((await list(ben)).messages).toMatchObject([{ content: last.payload.content, seq: 1 }])
    }
    const told = factsOf(ben, channel).filter(({ type }) => type === 'message:edit')
    expect(told.map(({ seq }) => seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 2))
    expect(new Set(told.map(({ payload }) => payload.content)).size).toBe(20)
  })

  test('[SEQ2] messages, edits, deletes, and what was read are there after a restart', async () => {
    const { url: databaseUrl } = await createDatabase()
    const before = await startServer({ databaseUrl })
    const ann = await member(before, 'ann')
    const ben = await member(before, 'ben')
    const sending = { channel, operationId: 'op1', payload: { content: 'one' } }
    const { messageId: one } = await expectReply<SendReply>(ann, 'message:send', sending)
    const { messageId: two } = await send(ann, 'two')
    const { messageId: three } = await send(ann, 'three')
    await edit(ann, two, 'Two')
    await remove(ann, three)
    await expectReply(ben, 'message:read', { channel, seq: 1 })
    const stood = await list(ben)
    await before.close()

    const server = await startServer({ databaseUrl })
    const again = await member(server, 'ann')
    const back = await connect(server, 'ben')
    expect((await join(back, channel)).unread).toBe(1)
    expect(await list(back)).toEqual(stood)
    expect(await expectReply(again, 'message:send', sending)).toMatchObject({ messageId: one, duplicate: true })
    await edit(again, one, 'One')
    await remove(again, two)
    expect(
      await expectRefusal(again, 'message:edit', { channel, payload: { messageId: three, content: 'x' } }),
    ).toMatchObject({ code: 'not_found' })
    expect(await expectRefusal(again, 'message:send', { channel, payload: { content: 'x', id: three } })).toMatchObject(
      { code: 'invalid' },
    )
    expect((await list(back)).messages.map(({ content }) => content)).toEqual(['', '', 'One'])
    expect(await expectReply(back, 'message:read', { channel, seq: 0 })).toMatchObject({ seq: 1, unread: 0 })
  })

  test('paging gives each message exactly once while others arrive', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    for (let i = 0; i < 120; i++) await publish(server, `old ${i}`, i % 2 ? 'ann' : 'ben')
    let arriving = true
    const arrivals = (async () => {
      for (let i = 0; arriving; i++) await publish(server, `new ${i}`)
    })()
    const seen: string[] = []
    let before: number | undefined
    for (let more = true, pages = 0; more && pages < 1000; pages++) {
      const page = await list(ann, { limit: 7, before })
      seen.push(...page.messages.map(({ content }) => content))
      before = page.messages.at(-1)?.seq
      more = page.hasMore
      // So that there were some since.
      await publish(server, 'between')
    }
    arriving = false
    await arrivals
    const old = seen.filter((content) => content.startsWith('old'))
    expect(old).toEqual(Array.from({ length: 120 }, (_, i) => `old ${119 - i}`))
    expect(seen.slice(-120)).toEqual(old)

    const whole = await list(ann, { limit: 100, before: 121 })
    expect([whole.messages.length, whole.hasMore]).toEqual([100, true])
    expect(await list(ann, { limit: 100, before: 21 })).toMatchObject({ hasMore: false })
    expect((await list(ann)).messages).toHaveLength(50)
    for (const bad of [{ limit: 0 }, { limit: 101 }, { limit: 'x' }, { before: 0 }, { before: 1.5 }]) {
      expect(await expectRefusal(ann, 'message:list', { channel, ...bad })).toMatchObject({
        code: 'invalid',
        details: [{ path: Object.keys(bad)[0] }],
      })
    }
  })

  test('[LIFE4] a page of large messages is no more than one reply may bring, and hasMore', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    await expectReply(ann, 'channel:leave', { channel })
    // 12 kB each, in 3 bytes a character.
    for (let i = 0; i < 60; i++) await publish(server, `${100 + i}${'字'.repeat(3997)}`)
    await join(ann, channel)
    const page = await list(ann, { limit: 100 })
    expect(page.hasMore).toBe(true)
    expect(page.messages.length).toBeGreaterThan(30)
    expect(Buffer.byteLength(JSON.stringify(page.messages))).toBeLessThan(MAX_REPLY_BYTES + 1000)
    const rest = await list(ann, { limit: 100, before: page.messages.at(-1)?.seq })
    expect(rest.hasMore).toBe(false)
    expect([...page.messages, ...rest.messages].map(({ content }) => content.slice(0, 3))).toEqual(
      Array.from({ length: 60 }, (_, i) => String(159 - i)),
    )
    // Many asked for at once do not have one cut who reads them.
    await Promise.all(Array.from({ length: 8 }, () => list(ann, { limit: 100 })))
    expect(ann.socket.connected).toBe(true)
  })

  test('[JOIN1] the reply tells how many messages of others there are after what one has read', async () => {
    const server = await startServer()
    const ann = await member(server, 'ann')
    const unread = async (userId: string) => {
      const client = await connect(server, userId)
      const reply = await join(client, channel)
      client.socket.disconnect()
      return reply.unread
    }
    expect(await unread('ben')).toBe(0)
    const { messageId } = await send(ann, '1')
    const { messageId: second } = await send(ann, '2')
    await expectReply(ann, 'task:update', { channel, payload: {} })
    await publish(server, '3', 'ben')
    await server.server.publish(channel, { type: 'message:send', payload: { content: '4' } })
    expect([await unread('ben'), await unread('ann'), await unread('cid')]).toEqual([3, 2, 4])
    await remove(ann, second)
    await edit(ann, messageId, 'One')
    expect([await unread('ben'), await unread('cid')]).toEqual([2, 3])
    const ben = await member(server, 'ben')
    expect(await expectReply(ben, 'message:read', { channel, seq: 4 })).toMatchObject({ seq: 4, unread: 1 })
    expect([await unread('ben'), await unread('cid')]).toEqual([1, 3])
  })
})
