// What DATABASE_URL may name, and that a refusal leaves nothing behind.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { developmentSecret, readDevelopmentSecret } from '../../../src/server/development-secret.ts'
import { openSqliteStore } from '../../../src/server/store/sqlite.ts'
import { cleanup } from '../../support/cleanup.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'convene-file-'))
  cleanup(() => rmSync(folder, { recursive: true }))
  return folder
}

const open = (file: string) =>
  openSqliteStore({ file, synchronous: 'normal', retention: { facts: 10, days: 7 }, waitMs: 0 })

test('a folder, a text, a path through a file: refused by name, and nothing made', async () => {
  const folder = temporaryFolder()
  const text = join(folder, 'passwd')
  writeFileSync(text, 'root:x:0:0:root:/root:/bin/bash\n'.repeat(40))
  mkdirSync(join(folder, 'etc'))
  const before = readdirSync(folder)
  const refused: [file: string, why: string][] = [
    [join(folder, 'etc'), `${join(folder, 'etc')} is a folder; give a file`],
    [`${folder}/new/`, `${folder}/new/ is a folder; give a file`],
    [text, `${text} is not a SQLite database; give another file`],
    [join(text, 'x.db'), `${text} is a file, so ${join(text, 'x.db')} cannot be in it; give a file elsewhere`],
    [join(text, 'deep', 'x.db'), `${text} is a file`],
    ['/dev/null', '/dev/null is not a plain file; give one'],
  ]
  for (const [file, why] of refused) {
    for (const attempt of [() => open(file), async () => developmentSecret(file)]) {
      const error = await attempt().catch((thrown: unknown) => thrown as Error)
      expect((error as Error).message, file).toContain(`DATABASE_URL: ${why}`)
      expect((error as Error).message, file).toMatch(/, like sqlite:\.\/data\/convene\.db$/)
    }
  }
  expect(readdirSync(folder)).toEqual(before)
  expect(readdirSync(join(folder, 'etc'))).toEqual([])
  expect(existsSync('/dev/null-guard')).toBe(false)
})

test('where no folder can be made, it says so, and does not try for ever', async () => {
  for (const file of ['/proc/nope/x.db', '/proc/nope/deep/x.db']) {
    await expect(open(file)).rejects.toThrow('DATABASE_URL: the folder /proc/nope cannot be made (ENOENT); make it, or')
    expect(() => developmentSecret(file)).toThrow('DATABASE_URL: the folder /proc/nope cannot be made')
  }
})

test('a folder of several levels is made', async () => {
  const file = join(temporaryFolder(), 'a', 'b', 'convene.db')
  await (await open(file)).close()
  expect(existsSync(file)).toBe(true)
})

test('the development secret is made once, and reading makes none', () => {
  const file = join(temporaryFolder(), 'data', 'convene.db')
  expect(readDevelopmentSecret(file)).toBeUndefined()
  expect(existsSync(join(file, '..'))).toBe(false)
  const secret = developmentSecret(file)
  expect([developmentSecret(file), readDevelopmentSecret(file)]).toEqual([secret, secret])
})

test('a file in use is told with what would do', async () => {
  const file = join(temporaryFolder(), 'convene.db')
  const store = await open(file)
  cleanup(() => store.close())
  await expect(open(file)).rejects.toThrow(
    `Another process has ${file} open. SQLite serves one server: stop it first, or give this one a DATABASE_URL of its own.`,
  )
})

test('closing lets everything go, also when the disk is too full to bring the log into its file', async ({ skip }) => {
  const folder = temporaryFolder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    skip('a small disk can be mounted by root only')
  }
  cleanup(() => execFileSync('umount', ['-l', folder]))
  const file = join(folder, 'convene.db')
  const store = await open(file)
  const payload = { text: 'x'.repeat(50_000) }
  for (const operationId of ['a', 'b', 'c']) {
    await store.append({ channel: 'project:p1', type: 'a:b', operationId, user: null, payload })
  }
  const { bsize, bavail } = statfsSync(folder)
  const filler = join(folder, 'filler')
  writeFileSync(filler, Buffer.alloc(bsize * bavail))
  await expect(store.close()).rejects.toMatchObject({ code: 'SQLITE_FULL' })

  rmSync(filler)
  const again = await open(file)
  expect(await again.head('project:p1')).toBe(3)
  await again.close()
})
