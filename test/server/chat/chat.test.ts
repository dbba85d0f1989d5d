import { describe, expect, test } from 'vitest'
import type { Author } from '../../../src/protocol/envelope.ts'
import { jsonBytes, MAX_REPLY_BYTES, MAX_UNREAD } from '../../../src/protocol/limits.ts'
import { Chat } from '../../../src/server/chat/chat.ts'
import { chatRules } from '../../../src/server/chat/rules.ts'
import { openSqliteStore } from '../../../src/server/store/sqlite.ts'
import type { Store, Stored } from '../../../src/server/store/store.ts'
import { cleanup } from '../../support/cleanup.ts'

const channel = 'project:p1'

/** A chat on a store of its own, and a way to say things in it. */
async function open(maxReplyBytes?: number) {
  const store = await openSqliteStore({
    file: ':memory:',
    synchronous: 'normal',
    retention: { facts: 10_000, days: 7 },
  })
  cleanup(() => store.close())
  const say = (type: string, payload: Record<string, unknown>, by: string | null = 'ann', at = channel) =>
    append(store, at, type, payload, by === null ? null : { id: by })
  const send = (content: string, by?: string | null, at?: string) => say('message:send', { content }, by, at)
  return { store, chat: new Chat(store, maxReplyBytes), say, send }
}

function append(store: Store, at: string, type: string, payload: Record<string, unknown>, user: Author | null) {
  const rule = chatRules[type]?.({ channel: at, type, payload, user, role: 'editor' })
  return store.append({ channel: at, type, payload, user, operationId: crypto.randomUUID(), rule })
}

function idOf({ result }: Stored): string {
  return String(result?.messageId)
}

const all = { channel, limit: 100 }

describe('list', () => {
  test('the newest first, `before` a seq, and hasMore only when there is one more', async () => {
    const { chat, send, say } = await open()
    expect(await chat.list(all)).toEqual({ messages: [], hasMore: false })
    for (const content of ['1', '2', '3']) {
      await send(content)
      // What is no message takes places in the log as well.
      await say('task:update', {})
      await send('elsewhere', 'ann', 'project:p2')
    }
    const list = async (more: { before?: number; limit: number }) => {
      const { messages, hasMore } = await chat.list({ channel, ...more })
      return [messages.map(({ content, seq }) => [content, seq]), hasMore]
    }
    expect(await list({ limit: 2 })).toEqual([
      [
        ['3', 5],
        ['2', 3],
      ],
      true,
    ])
    expect(await list({ limit: 3 })).toEqual([
      [
        ['3', 5],
        ['2', 3],
        ['1', 1],
      ],
      false,
    ])
    expect(await list({ limit: 2, before: 5 })).toEqual([
      [
        ['2', 3],
        ['1', 1],
      ],
      false,
    ])
    expect(await list({ limit: 1, before: 4 })).toEqual([[['2', 3]], true])
    expect(await list({ limit: 1, before: 3 })).toEqual([[['1', 1]], false])
    expect(await list({ limit: 1, before: 1 })).toEqual([[], false])
  })

  test('a message as it stands: edited in its place, or deleted with nothing left of its words', async () => {
    const { chat, say, send } = await open()
    const first = idOf(await send('first'))
    const second = idOf(await say('message:send', { content: 'second', replyTo: first }, 'ben'))
    await say('message:edit', { messageId: first, content: 'First' })
    await say('message:delete', { messageId: second }, 'ben')
    const { messages } = await chat.list(all)
    const time = expect.any(Number)
    expect(messages).toStrictEqual([
      {
        id: second,
        channel,
        seq: 2,
        user: { id: 'ben' },
        content: '',
        replyTo: first,
        createdAt: time,
        deletedAt: time,
      },
      { id: first, channel, seq: 1, user: { id: 'ann' }, content: 'First', createdAt: time, editedAt: time },
    ])
  })

  test('[MSG1] without those who blocked the one who asks; a server’s message is nobody’s to block', async () => {
    const { chat, send } = await open()
    for (const by of ['ann', 'ben', 'ann', null, 'cid', 'ann']) await send(String(by), by)
    const page = await chat.list({ channel, limit: 2 }, ['ann', 'zoe'])
    expect(page.messages.map(({ seq, content }) => [seq, content])).toEqual([
      [5, 'cid'],
      [4, 'null'],
    ])
    expect(page.hasMore).toBe(true)
    const rest = await chat.list({ channel, limit: 1, before: 4 }, ['ann', 'zoe'])
    // The one before it is Ann's.
    expect(rest).toMatchObject({ messages: [{ seq: 2 }], hasMore: false })
  })

  test('a page is no more than fits into one reply, one message at least', async () => {
    const { chat, send } = await open()
    // 12 kB each: 3 bytes a character.
    for (let i = 0; i < 60; i++) await send(`${i} ${'字'.repeat(3990)}`)
    const seen: number[] = []
    for (let before: number | undefined, more = true; more && seen.length <= 60; before = seen.at(-1)) {
      const { messages, hasMore } = await chat.list({ ...all, before })
      expect(jsonBytes(messages)).toBeLessThanOrEqual(MAX_REPLY_BYTES + messages.length + 1)
      expect(messages.length).toBeGreaterThan(0)
      seen.push(...messages.map(({ seq }) => seq))
      more = hasMore
    }
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => 60 - i))
  })

  test('a message that alone is larger than a reply comes alone', async () => {
    const { chat, send } = await open(10)
    await send('first')
    await send('second')
    expect(await chat.list(all)).toMatchObject({ messages: [{ content: 'second' }], hasMore: true })
    expect(await chat.list({ ...all, before: 2 })).toMatchObject({ messages: [{ content: 'first' }], hasMore: false })
  })
})

describe('read and unread', () => {
  test('how far somebody has read never goes back, and never beyond the head', async () => {
    const { chat, send } = await open()
    for (let i = 0; i < 5; i++) await send('hi')
    const read = (seq: number, head = 5) => chat.read(channel, 'ben', seq, head)
    expect(await read(0)).toEqual({ seq: 0, unread: 5 })
    expect(await read(3)).toEqual({ seq: 3, unread: 2 })
    expect(await read(1)).toEqual({ seq: 3, unread: 2 })
    expect(await read(99)).toEqual({ seq: 5, unread: 0 })
    expect(await read(4)).toEqual({ seq: 5, unread: 0 })
    // It holds for that person in that channel only.
    expect(await chat.unread(channel, 'cid', 5)).toBe(5)
    await send('hi', 'ann', 'project:p2')
    expect(await chat.unread('project:p2', 'ben', 1)).toBe(1)
  })

  test('of many at once the farthest holds', async () => {
    const { chat, send } = await open()
    for (let i = 0; i < 9; i++) await send('hi')
    await Promise.all([4, 9, 2, 7, 1].map((seq) => chat.read(channel, 'ben', seq, 9)))
    expect(await chat.read(channel, 'ben', 0, 9)).toEqual({ seq: 9, unread: 0 })
  })

  test('counts messages of others, up to the head; not deleted ones, not of those who blocked them', async () => {
    const { chat, say, send } = await open()
    await send('read already')
    await chat.read(channel, 'ben', 1, 1)
    const deleted = idOf(await send('soon gone'))
    await send('ben’s own', 'ben')
    const edited = idOf(await send('counts', 'ann'))
    await send('counts too', null)
    await send('of a blocker', 'cid')
    await say('task:update', {})
    expect(await chat.unread(channel, 'ben', 7)).toBe(4)
    expect(await chat.unread(channel, 'ben', 7, ['cid'])).toBe(3)
    await say('message:delete', { messageId: deleted })
    // An edited message is no new one.
    await say('message:edit', { messageId: edited, content: 'counts once' })
    expect(await chat.unread(channel, 'ben', 9, ['cid'])).toBe(2)
    expect(await chat.unread(channel, 'ben', 4, ['cid'])).toBe(1)
    expect(await chat.unread(channel, 'ben', 1, ['cid'])).toBe(0)
    expect(await chat.read(channel, 'ben', 4, 9, ['cid'])).toEqual({ seq: 4, unread: 1 })
  })

  test('counts no further than its limit', async () => {
    const { chat, send } = await open()
    await Promise.all(Array.from({ length: MAX_UNREAD + 5 }, () => send('hi')))
    expect(await chat.unread(channel, 'ben', MAX_UNREAD + 5)).toBe(MAX_UNREAD)
    await chat.read(channel, 'ben', 10, MAX_UNREAD + 5)
    expect(await chat.unread(channel, 'ben', MAX_UNREAD + 5)).toBe(MAX_UNREAD - 5)
  })
})

describe('decided in order', () => {
  test('edits and deletes of one batch see each other', async () => {
    const { chat, say } = await open()
    const id = 'm1'
    const outcomes = await Promise.allSettled([
      say('message:send', { content: 'one', id }),
      say('message:edit', { messageId: id, content: 'two' }),
      say('message:edit', { messageId: id, content: 'three' }),
      say('message:edit', { messageId: id, content: 'not mine' }, 'ben'),
      say('message:delete', { messageId: id }),
      say('message:edit', { messageId: id, content: 'too late' }),
      say('message:delete', { messageId: id }),
      say('message:send', { content: 'again', id }),
      say('message:send', { content: 'Oh', replyTo: id }),
    ])
    expect(outcomes.map((one) => (one.status === 'fulfilled' ? one.value.seq : one.reason.code))).toEqual([
      1,
      2,
      3,
      'forbidden',
      4,
      'not_found',
      'not_found',
      'invalid',
      5,
    ])
    expect((await chat.list(all)).messages).toMatchObject([
      { content: 'Oh', seq: 5 },
      { id, content: '', seq: 1 },
    ])
  })
})
