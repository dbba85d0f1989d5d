import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import {
  type Client,
  connect,
  expectEvent,
  expectRefusal,
  expectReply,
  factsOf,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { startServer } from '../support/start-server.ts'

const channel = 'project:p1'

function seqs(facts: readonly Envelope[]): number[] {
  return facts.map(({ seq }) => seq)
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

describe.each(TRANSPORTS)('order over %s', (transport) => {
  test('[SEQ1] [SEQ3] each channel counts from 1 by 1, and every member sees the same facts in the same order, once', async () => {
    const server = await startServer()
    const people: Client[] = []
    for (const name of ['ann', 'ben', 'cat', 'dan']) people.push(await connect(server, name, { transport }))
    for (const person of people) {
      await join(person, channel)
      await join(person, 'project:p2')
    }
    const replies = await Promise.all(
      people.flatMap((person) =>
        Array.from({ length: 25 }, async (_, i) => {
          const at = i % 5 === 0 ? 'project:p2' : channel
          return { at, ...(await expectReply<{ seq: number }>(person, 'task:update', { channel: at, payload: { i } })) }
        }),
      ),
    )
    for (const [at, count] of [
      [channel, 80],
      ['project:p2', 20],
    ] as const) {
      expect(
        replies
          .filter((reply) => reply.at === at)
          .map(({ seq }) => seq)
          .sort((a, b) => a - b),
      ).toEqual(upTo(count))
    }
    const { events: log } = await expectReply<{ events: Envelope[] }>(people[0] as Client, 'channel:history', {
      channel,
      after: 0,
      limit: 300,
    })
    expect(seqs(log)).toEqual(upTo(80))
    for (const person of people) {
      const others = log.filter(({ user }) => user?.id !== person.connected.userId)
      await expectEvent(person, 'task:update', (fact) => fact.channel === channel && fact.seq === others.at(-1)?.seq)
      expect(factsOf(person, channel)).toEqual(others)
    }
  })

  test('[SEQ3] its own facts are left out, for this session only, unless it joined with echo', async () => {
    const server = await startServer()
    const [ann, annToo, echo] = [
      await connect(server, 'ann', { transport }),
      await connect(server, 'ann', { transport }),
      await connect(server, 'cat', { transport }),
    ]
    await join(ann, channel)
    await join(annToo, channel)
    await join(echo, channel, { echo: true })
    await expectReply(ann, 'task:update', { channel, payload: { by: 'ann' } })
    await expectReply(echo, 'task:update', { channel, payload: { by: 'cat' } })
    await expectEvent(ann, 'task:update', ({ seq }) => seq === 2)
    await expectEvent(echo, 'task:update', ({ seq }) => seq === 2)
    await expectEvent(annToo, 'task:update', ({ seq }) => seq === 2)
    expect(seqs(factsOf(ann, channel))).toEqual([2])
    expect(seqs(factsOf(annToo, channel))).toEqual([1, 2])
    expect(seqs(factsOf(echo, channel))).toEqual([1, 2])
  })

  test('[SEQ2] [SEQ5] the log survives a restart, in its epoch; a log that was wiped has another', async () => {
    const database = await createDatabase()
    const databaseUrl = database.url
    const first = await startServer({ databaseUrl })
    const ann = await connect(first, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    await expectReply(ann, 'task:update', { channel, payload: { i: 1 } })
    await first.close()

    const second = await startServer({ databaseUrl })
    const ben = await connect(second, 'ben', { transport })
    const back = await join(ben, channel, { since: { epoch, seq: 0 } })
    expect(back).toMatchObject({ epoch, head: 1, recovered: true, events: [{ seq: 1, payload: { i: 1 } }] })
    await second.close()

    await database.wipe()
    const third = await startServer({ databaseUrl })
    const cat = await connect(third, 'cat', { transport })
    const wiped = await join(cat, channel, { since: { epoch, seq: 1 } })
    expect(wiped).toMatchObject({ recovered: false, reason: 'epoch_changed', events: [], head: 0 })
    expect(wiped.epoch).not.toBe(epoch)
  })

  test('[SEQ6] history is read by place and by number, and says what is still held', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    const { epoch } = await join(ann, channel)
    for (let i = 0; i < 12; i++) await server.server.publish(channel, { type: 'task:update', payload: { i } })
    const ask = (body: object) => expectReply<{ events: Envelope[] }>(ann, 'channel:history', { channel, ...body })
    expect(await ask({ limit: 1 })).toMatchObject({ epoch, head: 12, floor: 1 })
    expect(seqs((await ask({})).events)).toEqual(upTo(12))
    expect(seqs((await ask({ limit: 3 })).events)).toEqual([10, 11, 12])
    expect(seqs((await ask({ after: 4, limit: 3 })).events)).toEqual([5, 6, 7])
    expect(seqs((await ask({ before: 4 })).events)).toEqual([1, 2, 3])
    expect(seqs((await ask({ before: 10, limit: 2 })).events)).toEqual([8, 9])
    expect(seqs((await ask({ after: 2, before: 5 })).events)).toEqual([3, 4])
    expect(seqs((await ask({ after: 12 })).events)).toEqual([])
    for (const limit of [0, 301, 1.5])
      expect(await expectRefusal(ann, 'channel:history', { channel, limit })).toMatchObject({ code: 'invalid' })
  })

  test('[OP1] the same operationId is applied once, ever, and broadcast once: across reconnects and restarts', async () => {
    const { url: databaseUrl } = await createDatabase()
    const fact = { channel, payload: { title: 'Ünïcode 😀', n: 1, deep: { a: [1, null] } }, operationId: 'op-1' }
    const first = await startServer({ databaseUrl })
    const [ann, ben] = [await connect(first, 'ann', { transport }), await connect(first, 'ben', { transport })]
    await join(ann, channel)
    await join(ben, channel)
    // At once, in one transaction, and again later.
    const together = await Promise.all(Array.from({ length: 5 }, () => expectReply(ann, 'task:update', fact)))
    expect(together.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    const again = await connect(first, 'ann', { transport })
    await join(again, channel)
    const reordered = { operationId: 'op-1', payload: { deep: { a: [1, null] }, n: 1, title: 'Ünïcode 😀' }, channel }
    const reply = await expectReply(again, 'task:update', reordered)
    expect(reply).toMatchObject({ seq: 1, duplicate: true, operationId: 'op-1' })
    await expectReply(ann, 'task:update', { channel, payload: { last: true } })
    await expectEvent(ben, 'task:update', ({ seq }) => seq === 2)
    expect(seqs(factsOf(ben, channel))).toEqual([1, 2])
    await first.close()

    const second = await startServer({ databaseUrl })
    const later = await connect(second, 'ann', { transport })
    await join(later, channel)
    const { ok: _, ...place } = reply
    expect(await expectReply(later, 'task:update', fact)).toMatchObject(place)
    // Another channel is another log.
    await join(later, 'project:p2')
    expect(await expectReply(later, 'task:update', { ...fact, channel: 'project:p2' })).not.toHaveProperty('duplicate')
  })

  test('[OP2] the same operationId with other content or by another identity is operation_mismatch, and nothing is stored', async () => {
    const server = await startServer()
    const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
    await join(ann, channel)
    await join(ben, channel)
    const fact = { channel, payload: { n: 1 }, operationId: 'op-1' }
    await expectReply(ann, 'task:update', fact)
    const mismatch = { code: 'operation_mismatch', retryable: false }
    expect(await expectRefusal(ann, 'task:update', { ...fact, payload: { n: 2 } })).toMatchObject(mismatch)
    expect(await expectRefusal(ann, 'task:create', fact)).toMatchObject(mismatch)
    expect(await expectRefusal(ben, 'task:update', fact)).toMatchObject(mismatch)
    // In one transaction with good neighbours, which are not failed by it.
    const mixed = await Promise.all([
      ann.socket.emitWithAck('task:update', { channel, payload: { n: 2 } }),
      ann.socket.emitWithAck('task:update', { ...fact, payload: { n: 3 } }),
      ann.socket.emitWithAck('task:update', { channel, payload: { n: 4 } }),
    ])
    expect(mixed.map(({ ok, seq }) => [ok, seq])).toEqual([
      [true, 2],
      [false, undefined],
      [true, 3],
    ])
  })

  test('[OP3] without an operationId the server makes a UUID and returns it', async () => {
    const server = await startServer()
    const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
    await join(ann, channel)
    await join(ben, channel)
    const { operationId } = await expectReply<{ operationId: string }>(ann, 'task:update', { channel, payload: {} })
    expect(operationId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(await expectEvent(ben, 'task:update')).toMatchObject({ operationId })
  })
})

test('[SEQ3] facts reach WebSocket and polling members alike, in the same order', async () => {
  const server = await startServer()
  const fast = await connect(server, 'ann', { transport: 'websocket' })
  const slow = await connect(server, 'ben', { transport: 'polling' })
  await join(fast, channel)
  await join(slow, channel)
  await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      server.server.publish(channel, { type: 'task:update', payload: { i, text: 'ü'.repeat(i) } }),
    ),
  )
  for (const client of [fast, slow]) await expectEvent(client, 'task:update', ({ seq }) => seq === 200)
  expect(seqs(factsOf(fast, channel))).toEqual(upTo(200))
  expect(factsOf(slow, channel)).toEqual(factsOf(fast, channel))
})

test('[SEQ3] whose operation was refused is delivered another’s of the same id', async () => {
  const server = await startServer()
  const ann = await connect(server, 'ann')
  const ben = await connect(server, 'ben')
  for (const person of [ann, ben]) await join(person, channel)
  const operationId = 'the-same'
  await expectRefusal(ann, 'widget:delete', { channel, operationId, payload: { widgetId: 'w' } })
  await expectReply(ben, 'task:update', { channel, operationId, payload: {} })
  await expectReply(ben, 'task:move', { channel, payload: {} })
  await expectEvent(ann, 'task:move')
  expect(ann.received.map(({ event }) => event)).toContain('task:update')
})
