// A channel of the client on a server that stays: facts, echo, position, refusals.
import { expect, test } from 'vitest'
import { ConveneError } from '../../src/client/index.ts'
import { clientFor, listenTo, numbersOf } from '../support/sdk.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const CHANNEL = 'project:p1'

/** Two members of a channel. */
async function pair(echo = false) {
  const { url, server } = await startServer()
  const [ann, ben] = [clientFor(url, 'ann'), clientFor(url, 'ben')]
  const heard = { ann: listenTo(ann, CHANNEL), ben: listenTo(ben, CHANNEL) }
  await Promise.all([ann.channel(CHANNEL).join({ echo }), ben.channel(CHANNEL).join()])
  return { url, server, ann: ann.channel(CHANNEL), ben: ben.channel(CHANNEL), heard }
}

test("facts are told to the others by type and to *, one's own are not", async () => {
  const { ann, ben, heard } = await pair()
  const updates: unknown[] = []
  const stop = ben.on('task:update', ({ payload }) => updates.push(payload.n))
  await ann.publish('task:update', { n: 1 })
  await ann.publish('task:create', { n: 2 })
  await until('ben has both', () => heard.ben.facts.length === 2)
  stop()
  await ann.publish('task:update', { n: 3 })
  await until('ben has all', () => heard.ben.facts.length === 3)
  expect(numbersOf(heard.ben.facts)).toEqual([1, 2, 3])
  expect(heard.ben.facts[0]).toMatchObject({ type: 'task:update', channel: CHANNEL, seq: 1, user: { id: 'ann' } })
  expect(updates).toEqual([1])
  expect(heard.ann.facts).toEqual([])
  expect(ann.position).toEqual(ben.position)
  expect(ann.position?.seq).toBe(3)
})

test("with echo one's own facts are told as well, in their place", async () => {
  const { ann, ben, heard } = await pair(true)
  await Promise.all(
    [1, 2, 3].flatMap((n) => [ann.publish('task:update', { n }), ben.publish('task:update', { n: -n })]),
  )
  await until('ann has all', () => heard.ann.facts.length === 6)
  expect(heard.ann.facts.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6])
  expect(ann.position?.seq).toBe(6)
})

test('publishing from both sides at once leaves no gap on either', async () => {
  const { ann, ben, heard } = await pair()
  const numbers = Array.from({ length: 30 }, (_, n) => n)
  await Promise.all(numbers.flatMap((n) => [ann.publish('task:update', { n }), ben.publish('task:update', { n })]))
  await until('both have all', () => heard.ann.facts.length === 30 && heard.ben.facts.length === 30)
  expect(numbersOf(heard.ann.facts)).toEqual(numbers)
  expect(numbersOf(heard.ben.facts)).toEqual(numbers)
  await until('both are at the head', () => ann.position?.seq === 60 && ben.position?.seq === 60)
})

test('last brings the latest facts, since those after a position', async () => {
  const { url, ann } = await pair()
  const replies = []
  for (const n of [1, 2, 3, 4]) replies.push(await ann.publish('task:update', { n }))
  const [eve, fay] = [clientFor(url, 'eve'), clientFor(url, 'fay')]
  const [heardByEve, heardByFay] = [listenTo(eve, CHANNEL), listenTo(fay, CHANNEL)]
  const joined = await eve.channel(CHANNEL).join({ last: 2 })
  expect(joined).toMatchObject({ channel: CHANNEL, head: 4, role: 'editor', recovered: false })
  expect(joined).not.toHaveProperty('events')
  expect(numbersOf(heardByEve.facts)).toEqual([3, 4])
  expect(eve.channel(CHANNEL).position?.seq).toBe(4)
  const since = { epoch: replies[0]?.epoch ?? '', seq: 1 }
  expect(await fay.channel(CHANNEL).join({ since })).toMatchObject({ recovered: true })
  expect(numbersOf(heardByFay.facts)).toEqual([2, 3, 4])
  expect([heardByEve.breaks, heardByFay.breaks]).toEqual([[], []])
})

test('[JOIN4] a position that will not do is told as a discontinuity, and what follows counts from the head', async () => {
  const { url, ann } = await pair()
  await ann.publish('task:update', { n: 1 })
  const eve = clientFor(url, 'eve')
  const heard = listenTo(eve, CHANNEL)
  const joined = await eve.channel(CHANNEL).join({ since: { epoch: 'of another log', seq: 0 } })
  expect(joined).toMatchObject({ recovered: false, reason: 'epoch_changed' })
  expect(heard.breaks).toEqual(['epoch_changed'])
  expect(eve.channel(CHANNEL).position).toEqual(ann.position)
  await ann.publish('task:update', { n: 2 })
  await until('eve hears on', () => heard.facts.length === 1)
  expect(numbersOf(heard.facts)).toEqual([2])
})

test('after leaving nothing comes, and publishing needs another join', async () => {
  const { server, ann, ben, heard } = await pair()
  ben.leave()
  await until('the server knows', () => server.io.sockets.adapter.rooms.get(CHANNEL)?.size === 1)
  await expect(ben.publish('task:update', { n: 0 })).rejects.toMatchObject({ code: 'not_joined' })
  await ann.publish('task:update', { n: 1 })
  await ben.join({ last: 1 })
  await ann.publish('task:update', { n: 2 })
  await until('ben hears again', () => heard.ben.facts.length === 2)
  expect(numbersOf(heard.ben.facts)).toEqual([1, 2])
})

test('[OP1] an operationId of the app makes publishing again safe; other content is refused', async () => {
  const { ann, heard } = await pair()
  const first = await ann.publish('task:update', { n: 1 }, { operationId: 'op-1' })
  const again = await ann.publish('task:update', { n: 1 }, { operationId: 'op-1' })
  expect(again).toEqual({ ...first, duplicate: true })
  const other = ann.publish('task:update', { n: 2 }, { operationId: 'op-1' })
  await expect(other).rejects.toMatchObject({ name: 'ConveneError', code: 'operation_mismatch' })
  await ann.publish('task:update', { n: 3 })
  await until('ben has both', () => heard.ben.facts.length === 2)
  expect(numbersOf(heard.ben.facts)).toEqual([1, 3])
})

test('a payload changed while it waits is sent as it was', async () => {
  const { ann, heard } = await pair()
  const payload = { n: 2 }
  // The second is not sent before the first is answered.
  const published = [ann.publish('task:update', { n: 1 }), ann.publish('task:update', payload)]
  payload.n = 3
  await Promise.all(published)
  await until('ben has both', () => heard.ben.facts.length === 2)
  expect(numbersOf(heard.ben.facts)).toEqual([1, 2])
})

test('a fact whose reply was lost is published once, told to the others once, and to its author not at all', async () => {
  const { server, ann, ben, heard } = await pair()
  let lost = false
  for (const socket of server.io.sockets.sockets.values()) {
    socket.onAny((event: string) => {
      // It is being stored by now; whoever is told of it, its author is gone.
      if (event === 'task:update' && !lost) socket.conn.close()
      lost ||= event === 'task:update'
    })
  }
  const reply = await ann.publish('task:update', { n: 1 })
  expect(reply).toMatchObject({ seq: 1, duplicate: true })
  await ben.publish('task:update', { n: 2 })
  await ann.publish('task:update', { n: 3 })
  await until('both have the rest', () => heard.ann.facts.length === 1 && heard.ben.facts.length === 2)
  expect(numbersOf(heard.ann.facts)).toEqual([2])
  expect(numbersOf(heard.ben.facts)).toEqual([1, 3])
  expect(ann.position?.seq).toBe(3)
})

test('what is no fact is refused before it is sent', async () => {
  const { ann } = await pair()
  for (const type of ['channel:leave', 'ping', 'typing', 'Task', '']) {
    await expect(ann.publish(type, {}), type).rejects.toMatchObject({ code: 'invalid' })
  }
  await expect(ann.publish('task:update', { n: 1n })).rejects.toMatchObject({ code: 'invalid' })
  await expect(ann.publish('task:update', {})).resolves.toMatchObject({ seq: 1 })
})

test('rate_limited waits as long as the server says', async () => {
  const { url, server } = await startServer({ rateFactsPerSecond: 1 })
  const ann = clientFor(url, 'ann').channel(CHANNEL)
  await ann.join()
  let tries = 0
  for (const socket of server.io.sockets.sockets.values()) socket.onAny(() => tries++)
  // Two at once are free, and the join was one of them.
  await ann.publish('task:update', { n: 1 })
  await ann.publish('task:update', { n: 2 })
  expect(tries).toBe(3)
})

test('nothing overtakes what has to wait for a rate limit', async () => {
  const { url } = await startServer({ rateFactsPerSecond: 20 })
  const [ann, ben] = [clientFor(url, 'ann'), clientFor(url, 'ben')]
  const heard = listenTo(ben, CHANNEL)
  await Promise.all([ann.channel(CHANNEL).join(), ben.channel(CHANNEL).join()])
  const numbers = Array.from({ length: 60 }, (_, n) => n)
  const replies = await Promise.all(numbers.map((n) => ann.channel(CHANNEL).publish('task:update', { n })))
  expect(replies.map(({ seq }) => seq)).toEqual(numbers.map((n) => n + 1))
  await until('ben has all', () => heard.facts.length === 60)
  expect(numbersOf(heard.facts)).toEqual(numbers)
})

test('a join that is refused for good rejects, and what waited for it', async () => {
  const { url } = await startServer({ access: 'claims' })
  const ann = clientFor(url, 'ann', { token: tokenFor('ann', { channels: { 'project:p1': 'viewer' } }) })
  const other = ann.channel('project:p2')
  const joined = other.join()
  const published = other.publish('task:update', {})
  await expect(joined).rejects.toBeInstanceOf(ConveneError)
  await expect(joined).rejects.toMatchObject({ code: 'forbidden' })
  await expect(published).rejects.toMatchObject({ code: 'forbidden' })
  await ann.channel(CHANNEL).join()
  await expect(ann.channel(CHANNEL).publish('task:update', {})).rejects.toMatchObject({ code: 'forbidden' })
})

test('[JOIN7] being taken out of a channel is told', async () => {
  const { url } = await startServer({ access: 'claims' })
  let channels: string[] = [CHANNEL]
  // The server warns 30 s before the end, and the new token says less than the old.
  const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds
  const ann = clientFor(url, 'ann', { token: () => tokenFor('ann', { channels, exp: inSeconds(32) }) })
  const heard = listenTo(ann, CHANNEL)
  await ann.channel(CHANNEL).join()
  channels = []
  await until('ann is out', () => heard.breaks.length > 0)
  expect(heard.breaks).toEqual(['left'])
  await expect(ann.channel(CHANNEL).publish('task:update', {})).rejects.toMatchObject({ code: 'not_joined' })
})

test('a listener that throws keeps nothing from the others', async () => {
  const { ann, ben, heard } = await pair()
  const thrown: unknown[] = []
  const caught = (error: unknown) => thrown.push(error)
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', caught)
  try {
    ben.on('task:update', () => {
      throw new Error('a mistake of the app')
    })
    const after = listenTo({ channel: () => ben } as unknown as Parameters<typeof listenTo>[0], CHANNEL)
    await ann.publish('task:update', { n: 1 })
    await ann.publish('task:update', { n: 2 })
    await until('the other listener has both', () => after.facts.length === 2)
    expect(numbersOf(heard.ben.facts)).toEqual([1, 2])
    await until('the mistakes are reported', () => thrown.length === 2)
  } finally {
    process.removeListener('uncaughtException', caught)
    for (const listener of before) process.on('uncaughtException', listener)
  }
})
