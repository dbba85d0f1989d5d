import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import type { Transport } from '../support/connect.ts'
import { type ProcessServer, startProcess } from '../support/process-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { check } from './checker.ts'
import { VirtualMember } from './client.ts'
import type { LogRow } from './evidence.ts'
import { History } from './history.ts'
import { acknowledgements, countOperations } from './reading.ts'

const channel = 'project:p1'
const FAST = { RATE_FACTS_PER_SECOND: '100000', EVENTS_KEPT: '100000', MAX_CATCH_UP: '100000' }

/** The log as the database has it, once the server is gone; its file is sound. */
function logIn(folder: string): LogRow[] {
  // Of a copy: a connection lets go of its file some time after it has been closed, and the next server wants it.
  const copy = temporaryFolder()
  for (const name of readdirSync(folder)) cpSync(join(folder, name), join(copy, name))
  const database = new Database(join(copy, 'convene.db'))
  try {
    expect(database.pragma('integrity_check')).toEqual([{ integrity_check: 'ok' }])
    const rows = database
      .prepare(
        `select c.address as channel, c.epoch, e.seq, e.type, e.operation_id as operationId,
           e.user->>'id' as userId, e.payload
         from events e join channels c on c.id = e.channel_id where c.address = ? order by e.seq`,
      )
      .all(channel) as (Omit<LogRow, 'payload'> & { payload: string })[]
    return rows.map((row) => ({ ...row, payload: JSON.parse(row.payload) as LogRow['payload'] }))
  } finally {
    database.close()
  }
}

function membersOf(url: string, history: History, clients: Readonly<Record<string, Transport>>): VirtualMember[] {
  return Object.entries(clients).map(([client, transport]) => {
    const member = new VirtualMember({ client, url, channels: [channel], history, transport })
    cleanup(() => member.close())
    return member
  })
}

/** Waits until all of them have come to the end of the log, ends the server, and expects nothing lost, doubled or mixed up. */
async function expectAllKept(
  server: ProcessServer,
  folder: string,
  members: readonly VirtualMember[],
  { entries }: History,
): Promise<void> {
  const last = Math.max(...acknowledgements(entries).map(({ seq }) => seq))
  for (const member of members) await member.until(() => member.isIn(channel) && member.seq(channel) >= last)
  server.kill('SIGKILL')
  await server.exited
  const present = members.map(({ client }) => ({ client, channel }))
  expect(check({ history: entries, log: logIn(folder), present })).toEqual([])
}

test('F01 killed in the middle of 10,000 facts: every acknowledged one is there once, in order, at everybody', async () => {
  const folder = temporaryFolder()
  const server = await startProcess(FAST, { folder })
  const PORT = String(server.port)
  const history = new History()
  const members = membersOf(server.url, history, { writer: 'websocket', ben: 'websocket', cat: 'polling' })
  const [writer] = members as [VirtualMember]
  for (const member of members) await member.until(() => member.isIn(channel))

  const queue = Array.from({ length: 10_000 }, (_, i) => `op-${i}`)
  const lane = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await writer.publish(channel, next)
  }
  const stream = Promise.all(Array.from({ length: 32 }, lane))
  await writer.until(() => queue.length < 6000)
  server.kill('SIGKILL')
  await server.exited
  const second = await startProcess({ ...FAST, PORT }, { folder })
  await stream
  await expectAllKept(second, folder, members, history)
  expect(countOperations(history.entries, 'ok')).toBe(10_000)
  // The kill did hit facts under way, or nothing was proved.
  expect(countOperations(history.entries, 'info')).toBeGreaterThan(0)
}, 120_000)

test('F14 killed 20 times under load: the file is sound, no acknowledged fact is lost, none doubled by its retry', async () => {
  const folder = temporaryFolder()
  let server = await startProcess(FAST, { folder })
  const PORT = String(server.port)
  const history = new History()
  const ws = 'websocket'
  const all = { w0: ws, w1: ws, w2: 'polling', w3: ws, w4: ws, w5: 'polling' } as const
  const writers = membersOf(server.url, history, all)
  const [first] = writers as [VirtualMember]
  for (const writer of writers) await writer.until(() => writer.isIn(channel))
  let stopped = false
  let number = 0
  const load = writers.flatMap((writer) =>
    Array.from({ length: 4 }, async () => {
      while (!stopped && !writer.isClosed)
        await writer.publish(channel, `op-${number++}`, { text: 'x'.repeat(number % 100) })
    }),
  )
  for (let round = 0; round < 20; round++) {
    const before = first.seq(channel)
    await first.until(() => first.seq(channel) > before + 40)
    server.kill('SIGKILL')
    await server.exited
    // What was acknowledged by then is there already.
    const sent = history.entries.filter(({ kind }) => kind === 'invoke' || kind === 'ok')
    expect(check({ history: sent, log: logIn(folder), present: [] })).toEqual([])
    server = await startProcess({ ...FAST, PORT }, { folder })
  }
  stopped = true
  await Promise.all(load)
  await expectAllKept(server, folder, writers, history)
}, 180_000)
