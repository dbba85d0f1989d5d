import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { expect, test } from 'vitest'
import { openSqliteStore, type SqliteOptions } from '../../../src/server/store/sqlite.ts'
import type { FactDraft, Store } from '../../../src/server/store/store.ts'
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

test('a database of a newer version is refused with a word', async () => {
  const file = temporaryFile()
  await (await openStore(file)).close()
  const database = new Database(file)
  database.exec(`insert into kysely_migration values ('9-of-tomorrow', '2030-01-01T00:00:00Z')`)
  database.close()
  await expect(openStore(file)).rejects.toThrow(/newer Convene \(it has 9-of-tomorrow\)/)
})

test('close stores what is still waiting', async () => {
  const file = temporaryFile()
  const store = await openStore(file)
  const waiting = Array.from({ length: 50 }, () => store.append(draft()))
  await store.close()
  expect((await Promise.all(waiting)).map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1))
  expect(await (await openStore(file)).head('project:p1')).toBe(50)
})
