// The client over the end of its server, and the beginning of the next: no gap, no repeat, nothing lost.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ProcessServer, startProcess } from '../support/process-server.ts'
import { clientFor, listenTo, numbersOf } from '../support/sdk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const CHANNEL = 'project:p1'

async function startAgain(before: ProcessServer, folder: string): Promise<ProcessServer> {
  await before.exited
  return startProcess({ PORT: String(before.port) }, { folder })
}

/** A server in its folder, with ann and ben in a channel. */
async function scene(echo = false) {
  const folder = temporaryFolder()
  const server = await startProcess({}, { folder })
  const [ann, ben] = [clientFor(server.url, 'ann'), clientFor(server.url, 'ben')]
  const heard = { ann: listenTo(ann, CHANNEL), ben: listenTo(ben, CHANNEL) }
  await Promise.all([ann.channel(CHANNEL).join({ echo }), ben.channel(CHANNEL).join()])
  return { folder, server, clients: { ann, ben }, ann: ann.channel(CHANNEL), ben: ben.channel(CHANNEL), heard }
}

test('[SEQ2] [JOIN3] kill -9 in the middle of publishing: every fact once, in order, on both sides', async () => {
  const { folder, server, ann, ben, heard } = await scene()
  const numbers = Array.from({ length: 200 }, (_, n) => n)
  const published = numbers.flatMap((n) => [
    ann.publish('task:update', { n }, { operationId: `ann-${n}` }),
    ben.publish('task:update', { n }, { operationId: `ben-${n}` }),
  ])
  await until('some facts are through', () => heard.ann.facts.length > 20)
  server.kill('SIGKILL')
  await startAgain(server, folder)
  const replies = await Promise.all(published)
  expect(new Set(replies.map(({ seq }) => seq)).size).toBe(400)
  expect(Math.max(...replies.map(({ seq }) => seq))).toBe(400)
  await until('both have all', () => heard.ann.facts.length >= 200 && heard.ben.facts.length >= 200)
  await until('both are at the head', () => ann.position?.seq === 400 && ben.position?.seq === 400)
  expect(numbersOf(heard.ann.facts)).toEqual(numbers)
  expect(numbersOf(heard.ben.facts)).toEqual(numbers)
  expect([heard.ann.breaks, heard.ben.breaks]).toEqual([[], []])
})

test('facts of a server that the client did not see are told when it comes back, once and in order', async () => {
  const { folder, server, clients, ann, ben, heard } = await scene()
  await ann.publish('task:update', { n: 1 })
  await until('ben has it', () => heard.ben.facts.length === 1)
  clients.ben.close()
  for (const n of [2, 3]) await ann.publish('task:update', { n })
  server.kill('SIGTERM')
  await startAgain(server, folder)
  await ann.publish('task:update', { n: 4 })
  clients.ben.connect()
  await until('ben has all', () => heard.ben.facts.length === 4)
  await ann.publish('task:update', { n: 5 })
  await until('ben hears on', () => heard.ben.facts.length === 5)
  expect(numbersOf(heard.ben.facts)).toEqual([1, 2, 3, 4, 5])
  expect(heard.ben.facts.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  expect(ben.position?.seq).toBe(5)
})

test('a fact published while there is no server is published by the next one, once', async () => {
  const { folder, server, ann, heard } = await scene(true)
  server.kill('SIGKILL')
  await server.exited
  const published = [1, 2, 3].map((n) => ann.publish('task:update', { n }))
  await startAgain(server, folder)
  const replies = await Promise.all(published)
  expect(replies.map(({ seq }) => seq)).toEqual([1, 2, 3])
  await until('ben has all', () => heard.ben.facts.length === 3 && heard.ann.facts.length === 3)
  expect(numbersOf(heard.ben.facts)).toEqual([1, 2, 3])
  expect(numbersOf(heard.ann.facts)).toEqual([1, 2, 3])
})

test('[JOIN4] a log that is another one than before is told, and publishing goes on there', async () => {
  const { folder, server, ann, heard } = await scene()
  for (const n of [1, 2, 3]) await ann.publish('task:update', { n })
  await until('ben has all', () => heard.ben.facts.length === 3)
  server.kill('SIGKILL')
  await server.exited
  for (const end of ['', '-wal', '-shm', '-guard', '-guard-journal'])
    rmSync(join(folder, `convene.db${end}`), { force: true })
  await startAgain(server, folder)
  await until('both are told', () => heard.ann.breaks.length === 1 && heard.ben.breaks.length === 1)
  expect([heard.ann.breaks, heard.ben.breaks]).toEqual([['epoch_changed'], ['epoch_changed']])
  await expect(ann.publish('task:update', { n: 4 })).resolves.toMatchObject({ seq: 1 })
  await until('ben hears the new log', () => heard.ben.facts.length === 4)
  expect(heard.ben.facts.map(({ seq }) => seq)).toEqual([1, 2, 3, 1])
})

test('[LIFE3] server:shutdown: the client is back by itself', async () => {
  const { folder, server, clients, ann, heard } = await scene()
  const states: string[] = []
  clients.ann.onState((state) => states.push(state))
  server.kill('SIGTERM')
  expect(await server.exited).toBe(0)
  await startAgain(server, folder)
  await expect(ann.publish('task:update', { n: 1 })).resolves.toMatchObject({ seq: 1 })
  await until('ben has it', () => heard.ben.facts.length === 1)
  expect(states).toEqual(['reconnecting', 'connected'])
})
