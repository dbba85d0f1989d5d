import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ask, connect, expectEvent, expectRefusal, expectReply, join, TRANSPORTS } from '../support/connect.ts'
import { createDatabase } from '../support/database.ts'
import { startServer } from '../support/start-server.ts'

const channel = 'project:p1'

describe.each(TRANSPORTS)('section 9 over %s', (transport) => {
  test('rate_limited says when to come back, and then it is served', async () => {
    const server = await startServer({ rateFactsPerSecond: 5, rateSignalsPerSecond: 3 })
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    const facts = () => Promise.all(Array.from({ length: 30 }, () => ask(ann, 'task:update', { channel, payload: {} })))
    const refusals = (await facts()).filter(({ ok }) => !ok)
    expect(refusals.length).toBeGreaterThan(10)
    const { error } = refusals.at(-1) as unknown as { error: { retryAfterMs: number } }
    expect(error).toMatchObject({ code: 'rate_limited', retryable: true, retryAfterMs: expect.any(Number) })
    // A heartbeat has a lane of its own, with its own limit.
    await expectReply(ann, 'ping', {})
    await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs + 50))
    await expectReply(ann, 'task:update', { channel, payload: {} })
    const pings = await Promise.all(Array.from({ length: 20 }, () => ask(ann, 'ping', {})))
    expect(pings.some(({ ok }) => !ok)).toBe(true)
    // Another session's allowance is its own.
    const ben = await connect(server, 'ben', { transport })
    await join(ben, channel)
    await expectReply(ben, 'task:update', { channel, payload: {} })
  })

  test('F14 unavailable while another holds the database, nothing is stored, and it recovers by itself', async () => {
    const database = await createDatabase()
    const server = await startServer({ databaseUrl: database.url })
    const [ann, ben] = [await connect(server, 'ann', { transport }), await connect(server, 'ben', { transport })]
    await join(ann, channel)
    await join(ben, channel)
    await expectReply(ann, 'task:update', { channel, payload: { n: 1 } })
    const release = await database.hold()
    const fact = { channel, payload: { n: 2 }, operationId: 'op-2' }
    const error = await expectRefusal(ann, 'task:update', fact)
    expect(error).toMatchObject({ code: 'unavailable', retryable: true })
    expect(error.message).not.toMatch(/SQLITE|locked|busy|statement|timeout/i)
    await release()
    expect(await expectReply(ann, 'task:update', fact)).toMatchObject({ seq: 2 })
    expect(await expectEvent(ben, 'task:update', ({ seq }) => seq === 2)).toMatchObject({ payload: { n: 2 } })
  })

  test('[ERR2] internal tells nothing of what went wrong, and the session goes on', async () => {
    const payload = z.record(z.string(), z.unknown()).refine(() => {
      throw new Error('/srv/app/secret.ts failed on SELECT password')
    })
    const server = await startServer({ events: { 'card:move': { payload } } })
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    const error = await expectRefusal(ann, 'card:move', { channel, payload: {} })
    expect(error).toMatchObject({ code: 'internal', retryable: true })
    expect(JSON.stringify(error)).not.toMatch(/secret|SELECT|\.ts/)
    await expectReply(ann, 'task:update', { channel, payload: {} })
  })
})
