import { expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { type Client, connect, expectReply, type Joined, join, type Transport } from '../support/connect.ts'
import { startServer, type TestServer } from '../support/start-server.ts'

const channel = 'project:p1'
const FACTS = 5000

test('[JOIN5] [SEQ3] 40 sessions join, leave and rejoin while 20 publish 5,000 facts: no gap, no repeat', async () => {
  const server = await startServer({ rateFactsPerSecond: 100_000, maxCatchUp: 100_000 })
  let published = 0
  const publishers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const client = await connect(server, `p${i}`)
      await join(client, channel)
      return client
    }),
  )
  const joiners = await Promise.all(
    Array.from({ length: 40 }, (_, i) => Joiner.connect(server, `j${i}`, i % 4 === 0 ? 'polling' : 'websocket')),
  )
  const publishing = publishers.map(async (client) => {
    for (let i = 0; i < FACTS / publishers.length; i++) {
      await expectReply(client, 'task:update', { channel, payload: { i } })
      published++
    }
  })

  const racing = joiners.map((joiner) => joiner.race(() => published >= FACTS))
  await Promise.all([...publishing, ...racing])

  const log: Envelope[] = []
  const reader = publishers[0] as Client
  while (log.length < FACTS) {
    const page = await expectReply<{ events: Envelope[] }>(reader, 'channel:history', {
      channel,
      after: log.length,
      limit: 300,
    })
    log.push(...page.events)
  }
  for (const { seen, rounds, faults } of joiners) {
    expect(faults).toEqual([])
    expect(rounds).toBeGreaterThan(1)
    expect(seen.map(({ seq }) => seq)).toEqual(log.map(({ seq }) => seq))
    expect(seen).toEqual(log)
  }
}, 120_000)

/** A member that joins and leaves again and again, and keeps every fact it is told of, as it came. */
class Joiner {
  readonly seen: Envelope[] = []
  readonly faults: string[] = []
  rounds = 0
  readonly #client: Client
  #epoch: string | undefined
  #joined = false

  private constructor(client: Client) {
    this.#client = client
    client.socket.onAny((event: string, body: Envelope) => {
      if (event !== 'task:update') return
      if (!this.#joined) this.faults.push(`fact ${body.seq} while not joined`)
      this.seen.push(body)
    })
  }

  static async connect(server: TestServer, userId: string, transport: Transport): Promise<Joiner> {
    const joiner = new Joiner(await connect(server, userId, { transport }))
    await joiner.#enter()
    return joiner
  }

  async race(done: () => boolean): Promise<void> {
    for (let last = false; !last; this.rounds++) {
      last = done()
      await expectReply(this.#client, 'channel:leave', { channel })
      this.#joined = false
      await this.#enter()
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200))
    }
  }

  async #enter(): Promise<void> {
    const since = this.#epoch && { epoch: this.#epoch, seq: this.seen.length }
    // The reply is taken where it comes, before anything that follows it.
    await new Promise<void>((resolve) => {
      const body = { channel, ...(since && { since }) }
      this.#client.socket.emit('channel:join', body, (reply: { ok: boolean } & Joined) => {
        if (!reply.ok || reply.recovered !== Boolean(since)) this.faults.push(JSON.stringify(reply))
        this.#joined = true
        this.#epoch = reply.epoch
        this.seen.push(...reply.events)
        if (this.seen.length !== reply.head) this.faults.push(`${this.seen.length} facts at head ${reply.head}`)
        resolve()
      })
    })
  }
}
