import { describe, expect, test } from 'vitest'
import type { MessageListReply } from '../../src/protocol/chat.ts'
import type { FactReply, LogEntry } from '../../src/protocol/envelope.ts'
import type { HistoryReply } from '../../src/protocol/session.ts'
import { apiOf } from '../support/api.ts'
import { type Client, connect, expectEvent, expectReply, factsOf, join, TRANSPORTS } from '../support/connect.ts'
import { startServer, type TestServer } from '../support/start-server.ts'

const KEY = 'key-of-the-tests-0123456789'
const channel = 'room:r1'
const SECRET = 'not for ben'

type SendReply = FactReply & { messageId: string }

async function block(server: TestServer, method: 'PUT' | 'DELETE', userId: string, blockedId: string): Promise<void> {
  const path = `/api/v1/users/${userId}/blocks/${blockedId}`
  const response = await fetch(server.url + path, { method, headers: { 'x-api-key': KEY } })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
}

function say(client: Client, type: string, payload: Record<string, unknown>): Promise<SendReply> {
  return expectReply<SendReply>(client, type, { channel, payload })
}

/** Each place of a log, by what it is: `1 hidden`, `2 message:send`. */
function places(entries: readonly LogEntry[]): string[] {
  return entries.map(({ seq, type }) => `${seq} ${type}`)
}

function hiddenAt(seq: number, epoch: string) {
  return { type: 'hidden', channel, epoch, seq }
}

describe.each(TRANSPORTS)('[MSG1] blocks over %s', (transport) => {
  test('live, the blocked one is told only the places of a blocker’s messages, edits and deletes', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const ann = await connect(server, 'ann', { transport })
    const ben = await connect(server, 'ben', { transport })
    const phone = await connect(server, 'ben', { transport })
    const cid = await connect(server, 'cid', { transport })
    for (const client of [ann, ben, phone, cid]) await join(client, channel)
    const { messageId, epoch } = await say(ann, 'message:send', { content: 'for all' })
    await expectEvent(ben, 'message:send', ({ seq }) => seq === 1)

    await block(server, 'PUT', 'ann', 'ben')
    await say(ann, 'message:send', { content: SECRET, id: 'm2' })
    await say(ann, 'message:edit', { messageId, content: SECRET })
    await say(ann, 'message:delete', { messageId: 'm2' })
    await say(cid, 'message:send', { content: 'hi' })
    // What is no message is not hidden.
    await say(ann, 'task:update', { of: 'ann' })
    // By a server in her name it is her message too.
    await server.server.publish(channel, { type: 'message:send', payload: { content: SECRET }, userId: 'ann' })
    await say(ben, 'message:send', { content: 'for ann as well' })
    await say(cid, 'message:send', { content: 'last' })

    const sent = 'message:send'
    for (const client of [ben, phone]) {
      await expectEvent(client, sent, ({ seq }) => seq === 9)
      const told = factsOf(client, channel)
      const own = client === ben ? [] : [`8 ${sent}`]
      expect(places(told)).toEqual([
        `1 ${sent}`,
        '2 hidden',
        '3 hidden',
        '4 hidden',
        `5 ${sent}`,
        '6 task:update',
        '7 hidden',
        ...own,
        `9 ${sent}`,
      ])
      for (const seq of [2, 3, 4, 7]) expect(told[seq - 1]).toEqual(hiddenAt(seq, epoch))
      expect(JSON.stringify(client.received)).not.toContain(SECRET)
    }
    // Nobody else misses anything; the blocker neither.
    await expectEvent(cid, sent, ({ seq }) => seq === 8)
    expect(places(factsOf(cid, channel))).toEqual([
      `1 ${sent}`,
      `2 ${sent}`,
      '3 message:edit',
      '4 message:delete',
      '6 task:update',
      `7 ${sent}`,
      `8 ${sent}`,
    ])
    expect((await expectEvent(ann, sent, ({ seq }) => seq === 8)).payload.content).toBe('for ann as well')

    await block(server, 'DELETE', 'ann', 'ben')
    await say(ann, 'message:send', { content: 'for all again' })
    expect((await expectEvent(ben, sent, ({ seq }) => seq === 10)).payload.content).toBe('for all again')
  })

  test('in history, in what was missed, in the last facts, among the messages and in what is unread', async () => {
    const server = await startServer({ apiKeys: [KEY] })
    const ann = await connect(server, 'ann', { transport })
    const cid = await connect(server, 'cid', { transport })
    const ben = await connect(server, 'ben', { transport })
    for (const client of [ann, cid, ben]) await join(client, channel)
    const { messageId, epoch } = await say(ann, 'message:send', { content: SECRET })
    await say(cid, 'message:send', { content: 'one' })
    await say(ann, 'message:edit', { messageId, content: `${SECRET} either` })
    await say(ann, 'message:send', { content: SECRET, id: 'm4' })
    await say(ann, 'message:delete', { messageId: 'm4' })
    await say(cid, 'message:send', { content: 'two' })

    async function seenBy(client: Client) {
      const history = await expectReply<HistoryReply>(client, 'channel:history', { channel })
      const middle = await expectReply<HistoryReply>(client, 'channel:history', { channel, after: 2, before: 5 })
      const listed = await expectReply<MessageListReply>(client, 'message:list', { channel })
      const short = await expectReply<MessageListReply>(client, 'message:list', { channel, limit: 1, before: 6 })
      const read = await expectReply<{ unread: number }>(client, 'message:read', { channel, seq: 0 })
      await expectReply(client, 'channel:leave', { channel })
      const last = await join(client, channel, { last: 4 })
      await expectReply(client, 'channel:leave', { channel })
      const missed = await join(client, channel, { since: { epoch, seq: 0 } })
      return {
        said: JSON.stringify([history, middle, listed, short, last, missed]),
        entries: missed.events,
        logs: [history.events, middle.events, last.events, missed.events].map(places),
        listed: listed.messages.map(({ seq }) => seq),
        short: [short.messages.map(({ seq }) => seq), short.hasMore],
        unread: [read.unread, last.unread, missed.unread],
        recovered: missed.recovered,
      }
    }

    const whole = [
      'message:send',
      'message:send',
      'message:edit',
      'message:send',
      'message:delete',
      'message:send',
    ].map((type, i) => `${i + 1} ${type}`)
    const everything = {
      logs: [whole, whole.slice(2, 4), whole.slice(2), whole],
      listed: [6, 4, 2, 1],
      short: [[4], true],
      unread: [3, 3, 3],
      recovered: true,
    }
    expect(await seenBy(ben)).toMatchObject(everything)

    await block(server, 'PUT', 'ann', 'ben')
    const hidden = whole.map((place, i) => (i === 1 || i === 5 ? place : `${i + 1} hidden`))
    const seen = await seenBy(ben)
    expect(seen).toMatchObject({
      logs: [hidden, hidden.slice(2, 4), hidden.slice(2), hidden],
      listed: [6, 2],
      short: [[2], false],
      unread: [2, 2, 2],
      recovered: true,
    })
    expect(seen.entries[0]).toEqual(hiddenAt(1, epoch))
    expect(seen.said).not.toContain(SECRET)
    // It is only he who is kept from them, and only hers that he is kept from.
    const cids = await seenBy(cid)
    expect(cids.logs).toEqual(everything.logs)
    expect(cids.listed).toEqual([6, 4, 2, 1])
    await say(ben, 'message:send', { content: 'three' })
    const { messages } = await expectReply<MessageListReply>(ann, 'message:list', { channel })
    expect(messages[0]).toMatchObject({ seq: 7, user: { id: 'ben' }, content: 'three' })

    await block(server, 'DELETE', 'ann', 'ben')
    const again = await seenBy(ben)
    expect(again.logs[3]).toEqual([...whole, '7 message:send'])
    expect(again.listed).toEqual([7, 6, 4, 2, 1])
    expect(again.unread).toEqual([3, 3, 3])
    expect(again.said).toContain(SECRET)
  })
})

test('[MSG1] a block holds for whoever connects after it', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  expect(await api('PUT', '/api/v1/users/ann/blocks/ben')).toMatchObject({ status: 200 })
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  await expectReply(ann, 'message:send', { channel, payload: { content: 'not for ben' } })
  await expectReply(ann, 'typing', { channel, isTyping: true })
  await expectReply(ann, 'task:update', { channel, payload: {} })
  expect(await expectEvent(ben, 'hidden')).toMatchObject({ channel, seq: 1 })
  expect(await expectEvent(ben, 'task:update')).toMatchObject({ seq: 2 })
  expect(JSON.stringify(ben.received)).not.toContain('not for ben')
  expect(ben.received.map(({ event }) => event)).not.toContain('typing')
})
