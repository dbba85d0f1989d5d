import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kysely, Migrator, SqliteDialect, sql } from 'kysely'
import Database from 'libsql'
import { describe, expect, test } from 'vitest'
import * as facts from '../../../src/server/store/migrations/1-facts.ts'
import { sqliteColumns } from '../../../src/server/store/migrations/columns.ts'
import { openSqliteStore, type SqliteOptions } from '../../../src/server/store/sqlite.ts'
import type { FactDraft, Store } from '../../../src/server/store/store.ts'
import type { Tables } from '../../../src/server/store/tables.ts'
import { storeContract } from '../../contracts/store.ts'
import { cleanup } from '../../support/cleanup.ts'

function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'convene-store-'))
  cleanup(() => rmSync(folder, { recursive: true }))
  return join(folder, 'convene.db')
}

async function openStore(file: string, more: Partial<SqliteOptions> = {}): Promise<Store> {
  const store = await openSqliteStore({
    file,
    synchronous: 'normal',
    retention: { facts: 10_000, days: 7 },
    waitMs: 0,
    ...more,
  })
  cleanup(() => store.close())
  return store
}

function draft(more: Partial<FactDraft> = {}): FactDraft {
  return { channel: 'project:p1', type: 'a:b', operationId: crypto.randomUUID(), user: null, payload: {}, ...more }
}

storeContract('SQLite', async (retention = { facts: 10_000, days: 7 }) => {
  const file = temporaryFile()
  let store = await openStore(file, { retention })
  return {
    store,
    async reopen() {
      await store.close()
      store = await openStore(file, { retention })
      return store
    },
  }
})

test('[SEQ5] a file that was restored from an older copy is another log; one that was only opened again is the same', async () => {
  const file = temporaryFile()
  const first = await openStore(file)
  const { epoch } = await first.append(draft())
  await first.close()
  copyFileSync(file, `${file}-backup`)

  const second = await openStore(file)
  expect((await second.append(draft())).epoch).toBe(epoch)
  await second.close()

  copyFileSync(`${file}-backup`, file)
  const restored = await openStore(file)
  const log = await restored.open('project:p1')
  expect(log).toMatchObject({ head: 1 })
  expect(log.epoch).not.toBe(epoch)
  await restored.close()
  // Told once: from here on it is a log like any other.
  const after = await openStore(file)
  expect((await after.open('project:p1')).epoch).toBe(log.epoch)
})

test('a file serves one server at a time, and says so', async () => {
  const file = temporaryFile()
  const first = await openStore(file)
  await expect(openStore(file)).rejects.toThrow(/Another process has .*convene\.db open/)
  await first.close()
  await openStore(file)
})

test('a database of an older version is brought up to this one, and its facts are as they were', async () => {
  const file = temporaryFile()
  // As the first version made it: its tables, a log with a fact, and the name of the one migration it knew.
  const old = new Kysely<Tables>({ dialect: new SqliteDialect({ database: new Database(file) }) })
  const { error } = await new Migrator({
    db: old,
    provider: { getMigrations: async () => ({ '1-facts': { up: (db) => facts.up(db, sqliteColumns) } }) },
  }).migrateToLatest()
  expect(error).toBeUndefined()
  await sql`insert into channels (id, address, epoch, head) values (1, 'project:p1', 'e', 1)`.execute(old)
  await sql`insert into events (channel_id, seq, type, operation_id, payload, timestamp)
    values (1, 1, 'a:b', 'op', '{"n":1}', 5)`.execute(old)
  await old.destroy()
  const store = await openStore(file)
  expect(await store.read('project:p1', { limit: 10 })).toMatchObject([{ epoch: 'e', seq: 1, payload: { n: 1 } }])
  expect(await store.append(draft({ operationId: 'op', payload: { n: 1 } }))).toMatchObject({ seq: 1, duplicate: true })
  const rule = { reads: [], decide: () => ({ payload: {}, writes: [], result: { ok: 1 } }) }
  expect(await store.append(draft({ rule }))).toMatchObject({ seq: 2, result: { ok: 1 } })
})

test('a database of a newer version is refused with a word', async () => {
  const file = temporaryFile()
  await (await openStore(file)).close()
  const database = new Database(file)
  database.exec(`insert into kysely_migration values ('9-of-tomorrow', '2030-01-01T00:00:00Z')`)
  database.exec('update schema_compatibility set oldest = 9')
  database.close()
  await expect(openStore(file)).rejects.toThrow(/newer Convene \(it has 9-of-tomorrow\)/)
})

test('a database of a newer version that only added to it is served', async () => {
  const file = temporaryFile()
  await (await openStore(file)).close()
  const database = new Database(file)
  database.exec(`insert into kysely_migration values ('9-of-tomorrow', '2030-01-01T00:00:00Z')`)
  database.close()
  expect(await (await openStore(file)).append(draft())).toMatchObject({ seq: 1 })
})

test('close stores what is still waiting', async () => {
  const file = temporaryFile()
  const store = await openStore(file)
  const waiting = Array.from({ length: 50 }, () => store.append(draft()))
  await store.close()
  expect((await Promise.all(waiting)).map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
  expect(await (await openStore(file)).head('project:p1')).toBe(50)
})

/** Each refused, and the log of the server will say why. */
async function expectUnavailable(appends: readonly Promise<unknown>[], cause: string): Promise<void> {
  for (const outcome of await Promise.allSettled(appends)) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable', cause: { code: cause } } })
  }
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, i) => i + 1)
}

test.each([
  ['it does not begin', 'SQLITE_BUSY', 'begin immediate', 'rollback'],
  [
    'its last statement fails',
    'SQLITE_CONSTRAINT_TRIGGER',
    `create trigger refuse before update of head on channels begin select raise(abort, 'refused'); end`,
    'drop trigger refuse',
  ],
])(
  '[SEQ1] [SEQ2] a commit that fails leaves all who wait for it unavailable, no gap and no repeat: %s',
  async (_how, code, hinder, help) => {
    const file = temporaryFile()
    const store = await openStore(file)
    await store.append(draft())
    const other = new Database(file)
    cleanup(() => other.close())
    // More than one commit takes.
    const drafts = Array.from({ length: 600 }, () => draft())
    for (let round = 0; round < 3; round++) {
      other.exec(hinder)
      await expectUnavailable(
        drafts.map((one) => store.append(one)),
        code,
      )
      // What is there can be read meanwhile.
      expect(await store.head('project:p1')).toBe(1)
      other.exec(help)
    }
    // The same again, as clients will: nothing of it was kept.
    const stored = await Promise.all(drafts.map((one) => store.append(one)))
    expect(stored.map(({ seq, duplicate }) => [seq, duplicate])).toEqual(drafts.map((_, i) => [i + 2, false]))
    const log = await store.read('project:p1', { limit: 1000 })
    expect(log.map(({ seq }) => seq)).toEqual(upTo(601))
  },
)

test('F13 [SEQ1] [SEQ2] a full disk refuses facts; with room again they are stored, without a restart', async ({
  skip,
}) => {
  const folder = join(temporaryFile(), '..', 'disk')
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    skip('a small disk can be mounted by root only')
  }
  cleanup(() => execFileSync('umount', ['-l', folder]))
  const store = await openStore(join(folder, 'convene.db'))
  await store.append(draft())
  const { bsize, bavail } = statfsSync(folder)
  const filler = join(folder, 'filler')
  writeFileSync(filler, Buffer.alloc(bsize * bavail))
  cleanup(() => rmSync(filler, { force: true }))

  const large = Array.from({ length: 20 }, (_, i) => draft({ payload: { i, text: 'x'.repeat(60_000) } }))
  for (let round = 0; round < 3; round++) {
    await expectUnavailable(
      large.map((one) => store.append(one)),
      'SQLITE_FULL',
    )
  }
  expect(await store.head('project:p1')).toBe(1)
  // The mark that is kept beside the log falls due while there is no room for it.
  await new Promise((resolve) => setTimeout(resolve, 1200))

  rmSync(filler)
  const stored = await Promise.all(large.map((one) => store.append(one)))
  expect(stored.map(({ seq, duplicate }) => [seq, duplicate])).toEqual(large.map((_, i) => [i + 2, false]))
  await store.close()
  const again = await openStore(join(folder, 'convene.db'))
  expect((await again.read('project:p1', { limit: 100 })).map(({ seq }) => seq)).toEqual(upTo(21))
})

describe('while more is appended all the time than fits into one commit', () => {
  const LOOPS = 3000
  const FACTS = 15_000

  /** Each loop appends again as soon as its last fact is stored, until there are enough. Resolves when all are. */
  async function burst(store: Store, stored: (facts: number) => void = () => {}): Promise<void> {
    let begun = 0
    let facts = 0
    const loop = async () => {
      while (begun++ < FACTS) {
        await store.append(draft())
        stored(++facts)
      }
    }
    await Promise.all(Array.from({ length: LOOPS }, loop))
  }

  test('a read waits for what was appended before it, and no longer', async () => {
    const store = await openStore(':memory:')
    let facts = 0
    const done = burst(store, (count) => {
      facts = count
    })
    expect(await store.head('project:p1')).toBeGreaterThanOrEqual(LOOPS)
    expect(facts).toBeLessThan(FACTS)
    await done
    expect(await store.head('project:p1')).toBe(FACTS)
  })

  test('the rest of the process has its turns', async () => {
    const store = await openStore(':memory:')
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    cleanup(() => clearInterval(timer))
    await burst(store)
    expect(turns).toBeGreaterThan(5)
  })
})
