import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPostgresStore } from '../../../src/server/store/postgres.ts'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.ts'
import { connectPostgres, draft, openStore, RETENTION, untilWaiting } from '../../support/postgres-store.ts'

const channel = 'project:p1'
let postgres: PostgresServer

beforeAll(async () => {
  postgres = await startPostgres({ forFile: true })
})
afterAll(() => postgres.stop())

describe('the schema', () => {
  test('of a newer version that changed what this one relies on is refused, in a word without the password', async () => {
    const url = await postgres.createDatabase()
    const database = new URL(url).pathname.slice(1)
    await (await openStore(url)).close()
    await postgres.query(`insert into kysely_migration values ('9-of-tomorrow', '2030-01-01T00:00:00Z')`, database)
    expect(await (await openStore(url)).append(draft())).toMatchObject({ seq: 1 })
    await postgres.query('update schema_compatibility set oldest = 9', database)
    const secret = new URL(url)
    secret.password = 'hunter2-hunter2'
    const refused = openPostgresStore({ url: secret.href, retention: RETENTION })
    await expect(refused).rejects.toThrow(/newer Convene \(it has 9-of-tomorrow\)/)
    await expect(refused).rejects.not.toThrow(/hunter2/)
  })

  test('that cannot be reached is a refusal to start that says where, not with what', async () => {
    const url = `postgres://convene:hunter2-hunter2@127.0.0.1:1/convene`
    const refused = openPostgresStore({ url, retention: RETENTION, waitMs: 300 })
    await expect(refused).rejects.toThrow(/^DATABASE_URL: Postgres at 127\.0\.0\.1:1 cannot be used \(ECONNREFUSED/)
    const missing = openPostgresStore({ url: postgres.url('not-there'), retention: RETENTION })
    await expect(missing).rejects.toThrow(/DATABASE_URL: .*3D000: database "not-there" does not exist/)
  })

  test('that is frozen is a refusal to start as well', async () => {
    const server = await startPostgres()
    const url = await server.createDatabase()
    await server.freeze()
    const refused = openPostgresStore({ url, retention: RETENTION, waitMs: 1000 })
    await expect(refused).rejects.toThrow(/^DATABASE_URL: Postgres at 127\.0\.0\.1:\d+ cannot be used \(/)
  }, 30_000)

  test('that starts at the same time is waited for', async () => {
    const server = await startPostgres()
    const url = await server.createDatabase()
    await server.kill9()
    const opened = openStore(url)
    await server.restart()
    expect(await (await opened).append(draft())).toMatchObject({ seq: 1 })
  }, 30_000)

  test.each([
    'postgres://convene:hunter2/hunter2@127.0.0.1/convene',
    'postgres://convene:42#hunter2@127.0.0.1/convene',
    'postgres://convene:hunter2@127.0.0.1:port/convene',
  ])('in no place that can be read is a refusal to start that shows nothing of it: %s', async (url) => {
    const error = await openPostgresStore({ url, retention: RETENTION }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ message: expect.stringMatching(/^DATABASE_URL: expected postgres:/) })
    expect(inspect(error, { depth: 9 })).not.toMatch(/hunter2|42/)
  })
})

describe('[SEQ5] the epoch', () => {
  async function epochOf(url: string): Promise<string> {
    const store = await openStore(url)
    const { epoch } = await store.open(channel)
    await store.close()
    return epoch
  }

  test('is the same when the database is only opened again, by an ordinary role', async () => {
    await postgres.query(`create role ordinary login`)
    const url = await postgres.createDatabase()
    const own = new URL(url)
    own.username = 'ordinary'
    await postgres.query(`alter database "${own.pathname.slice(1)}" owner to ordinary`)
    await postgres.query('alter schema public owner to ordinary', own.pathname.slice(1))
    const epoch = await epochOf(own.href)
    expect(await epochOf(own.href)).toBe(epoch)
    expect(await epochOf(url)).toBe(epoch)
  })

  test('is the same also where a role may not ask which server it is', async () => {
    await postgres.query('create role kept_out login')
    const url = await postgres.createDatabase()
    const own = new URL(url)
    own.username = 'kept_out'
    const database = own.pathname.slice(1)
    await postgres.query('grant all on schema public to kept_out', database)
    await postgres.query('revoke execute on function pg_control_system() from public', database)
    await postgres.query('revoke execute on function pg_walfile_name(pg_lsn) from public', database)
    const epoch = await epochOf(own.href)
    expect(await epochOf(own.href)).toBe(epoch)
  })

  test('is another one when a replica took over, made once by all who start', async () => {
    const server = await startPostgres()
    const url = await server.createDatabase()
    const before = await epochOf(url)
    await server.restart()
    expect(await epochOf(url)).toBe(before)
    await server.promote()
    const other = await connectPostgres(url)
    await other.query(`create table renewed (epoch text);
      create function note() returns trigger language plpgsql as
        'begin insert into renewed values (new.epoch); return null; end';
      create trigger note after update of epoch on channels for each row execute function note()`)
    // Whoever would renew them meets the others there.
    await other.query('begin')
    await other.query('lock table channels in share mode')
    const after = Promise.all([1, 2, 3].map(() => epochOf(url)))
    await untilWaiting(other, 3)
    await other.query('rollback')
    expect(new Set(await after).size).toBe(1)
    expect((await after)[0]).not.toBe(before)
    expect((await other.query('select epoch from renewed')).rows).toEqual([{ epoch: (await after)[0] }])
  }, 60_000)

  test('is another one for a store that was open when a replica took over', async () => {
    const server = await startPostgres()
    const store = await openStore(await server.createDatabase())
    const { epoch } = await store.append(draft())
    await server.promote()
    for (;;) {
      const stored = await store.append(draft()).catch(() => undefined)
      if (!stored) continue
      expect(stored.epoch).not.toBe(epoch)
      return
    }
  }, 60_000)

  test('is renewed beside stores that append, and nobody waits in a circle', async () => {
    const url = await postgres.createDatabase()
    const database = new URL(url).pathname.slice(1)
    const stores = await Promise.all([openStore(url), openStore(url)])
    let stopped = false
    let stored = 0
    const load = stores.flatMap((store) =>
      Array.from({ length: 30 }, async () => {
        while (!stopped) {
          await store.append(draft({ channel: `project:c${Math.floor(Math.random() * 200)}` }))
          stored++
        }
      }),
    )
    while (stored < 1000) await new Promise((resolve) => setTimeout(resolve, 10))
    for (let i = 0; i < 8; i++) {
      await postgres.query(`update records set data = '{}' where scope = 'store'`, database)
      await (await openStore(url)).close()
    }
    stopped = true
    await Promise.all(load)
  }, 60_000)

  test('is another one when it was restored from a dump', async () => {
    const url = await postgres.createDatabase()
    const before = await epochOf(url)
    const restored = await postgres.createDatabase()
    await postgres.dumpInto(url, restored)
    const after = await epochOf(restored)
    expect(after).not.toBe(before)
    expect(await epochOf(restored)).toBe(after)
  })
})
