import Database from 'libsql'
import { expect, test } from 'vitest'
import { startProcess } from '../support/process-server.ts'
import { Member, temporaryFolder } from '../support/story.ts'

const channel = 'project:p1'
const FAST = { RATE_FACTS_PER_SECOND: '100000', EVENTS_KEPT: '100000', MAX_CATCH_UP: '100000' }

/** The log as the database has it, once the server is gone. */
function logIn(folder: string): { seq: number; operation_id: string }[] {
  const database = new Database(`${folder}/convene.db`)
  expect(database.pragma('integrity_check')).toEqual([{ integrity_check: 'ok' }])
  const rows = database.prepare('select seq, operation_id from events order by seq').all()
  database.close()
  return rows as { seq: number; operation_id: string }[]
}

test('F01 killed in the middle of 10,000 facts: every acknowledged one is there once, in order, at everybody', async () => {
  const folder = temporaryFolder()
  const server = await startProcess(FAST, { folder })
  const PORT = String(server.port)
  const writer = new Member(server.url, 'writer', channel, 'websocket')
  const readers = [
    new Member(server.url, 'ben', channel, 'websocket'),
    new Member(server.url, 'cat', channel, 'polling'),
  ]
  for (const member of [writer, ...readers]) await member.joined()

  const queue = Array.from({ length: 10_000 }, (_, i) => ({ operationId: `op-${i}`, payload: { i } }))
  let repeated = 0
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      if ((await writer.publish(next)) > 1) repeated++
    }
  }
  const stream = Promise.all(Array.from({ length: 32 }, lane))
  await writer.until(() => writer.acknowledged.size > 4000)
  server.kill('SIGKILL')
  await server.exited
  await startProcess({ ...FAST, PORT }, { folder })
  await stream
  for (const member of [writer, ...readers]) await member.until(() => member.seq >= 10_000)

  const history = writer.facts.map(({ seq, operationId }) => [seq, operationId])
  expect(new Set(writer.facts.map(({ operationId }) => operationId)).size).toBe(10_000)
  expect(history).toHaveLength(10_000)
  for (const [operationId, { seq }] of writer.acknowledged) expect(history[seq - 1]).toEqual([seq, operationId])
  for (const reader of readers) expect(reader.facts).toEqual(writer.facts)
  for (const member of [writer, ...readers]) expect(member.faults).toEqual([])
  // The kill did hit facts under way, or nothing was proved.
  expect(repeated).toBeGreaterThan(0)
}, 120_000)

test('F14 killed 20 times under load: the file is sound, no acknowledged fact is lost, none doubled by its retry', async () => {
  const folder = temporaryFolder()
  let server = await startProcess(FAST, { folder })
  const PORT = String(server.port)
  const writers = Array.from(
    { length: 6 },
    (_, i) => new Member(server.url, `w${i}`, channel, i % 3 === 2 ? 'polling' : 'websocket'),
  )
  for (const writer of writers) await writer.joined()
  let stopped = false
  let number = 0
  const load = writers.flatMap((writer) =>
    Array.from({ length: 4 }, async () => {
      while (!stopped)
        await writer.publish({ operationId: `op-${number++}`, payload: { text: 'x'.repeat(number % 100) } })
    }),
  )
  for (let round = 0; round < 20; round++) {
    const before = (writers[0] as Member).seq
    await (writers[0] as Member).until(() => (writers[0] as Member).seq > before + 40)
    server.kill('SIGKILL')
    await server.exited
    const log = logIn(folder)
    expect(log.map(({ seq }) => seq)).toEqual(Array.from(log, (_, i) => i + 1))
    expect(new Set(log.map(({ operation_id }) => operation_id)).size).toBe(log.length)
    for (const { acknowledged } of writers) {
      for (const [operationId, { seq }] of acknowledged) expect(log[seq - 1]?.operation_id).toBe(operationId)
    }
    server = await startProcess({ ...FAST, PORT }, { folder })
  }
  stopped = true
  await Promise.all(load)
  const last = Math.max(...writers.flatMap(({ acknowledged }) => Array.from(acknowledged.values(), ({ seq }) => seq)))
  for (const writer of writers) {
    await writer.until(() => writer.seq >= last)
    expect(writer.faults).toEqual([])
    expect(writer.facts.slice(0, last)).toEqual(writers[0]?.facts.slice(0, last))
  }
}, 180_000)
