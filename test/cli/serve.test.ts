// `convene serve`: what it says, how it stops, why it does not start.
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { run, startCommand } from '../support/command.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { startProcess } from '../support/process-server.ts'
import { clientFor } from '../support/sdk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const SECRET = 'q7Vv0mYx3Jt9ZcB1nKfLrW5sHdPgEuA2oTiX8yRk'
const PRODUCTION = { NODE_ENV: 'production', JWT_SECRET: SECRET, ACCESS: 'claims', PORT: '0', HOST: '127.0.0.1' }
const LISTENING = /listening on (http:\/\/localhost:(\d+))/

test('with nothing set: where it is, where the data is, two links, and no secret', async () => {
  const folder = temporaryFolder()
  const server = startCommand(['serve'], { folder, env: { PORT: '0' } })
  const [, url, port] = await server.sees(LISTENING)
  await server.sees(/as=ben/)
  const said = server.stdout()
  expect(said).toContain(join(folder, 'data', 'convene.db'))
  expect(said).toMatch(/secret +generated, kept in .*data/)
  expect(said).toMatch(/access +open/)
  expect(said).toContain('Open these in two windows')
  expect(said).toContain(`http://localhost:${port}/?as=ann\n`)
  expect(said).toContain(`http://localhost:${port}/?as=ben\n`)
  expect(said).not.toContain(readFileSync(join(folder, 'data', 'development-secret'), 'utf8'))
  expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: 'healthy' })
})

test('the banner says what is set, and only that', async () => {
  const env = { PORT: '0', JWT_SECRET: SECRET, ACCESS: 'claims', DEMO: 'false', DATABASE_URL: 'sqlite::memory:' }
  const server = startCommand(['serve'], { folder: temporaryFolder(), env })
  await server.sees(/data +in memory only/)
  await server.sees(LISTENING)
  expect(server.stdout()).not.toMatch(/secret|access|as=ann/)
})

test('the banner says where Postgres and Redis are, and no password of theirs', async () => {
  const postgres = await startPostgres()
  const database = new URL(await postgres.createDatabase())
  database.password = 'hunter2-hunter2'
  const env = {
    PORT: '0',
    JWT_SECRET: SECRET,
    DATABASE_URL: database.href,
    REDIS_URL: 'redis://me:hunter2-hunter2@127.0.0.1:1',
  }
  const server = startCommand(['serve'], { folder: temporaryFolder(), env })
  await server.sees(LISTENING)
  expect(server.stdout()).toContain(`data     ${database.host}${database.pathname}\n`)
  expect(server.stdout()).toContain('redis    127.0.0.1:1')
  await server.sees(/Redis is not reached/)
  expect(server.stdout() + server.stderr()).not.toContain('hunter2')
})

test('a server on Postgres makes itself no secret, as its neighbours would not know it', async () => {
  const env = { PORT: '0', DATABASE_URL: 'postgres://127.0.0.1:1/convene' }
  const server = startCommand(['serve'], { folder: temporaryFolder(), env })
  expect(await server.exited).toBe(1)
  expect(server.stderr()).toMatch(/JWT_SECRET must be set/)
})

test('in production one line of JSON', async () => {
  const server = startCommand(['serve'], { folder: temporaryFolder(), env: PRODUCTION })
  await server.sees(/"listening"}\n/)
  const line = server.stdout().split('\n')[0] ?? ''
  expect(JSON.parse(line)).toMatchObject({ level: 'info', msg: 'listening', url: expect.any(String), pid: server.pid })
  expect(server.stdout()).not.toMatch(/as=ann|Open these/)
  server.kill('SIGTERM')
  expect(await server.exited).toBe(0)
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '[LIFE3] %s: clients are told, exit code 0, the next one goes on',
  async (signal) => {
    const folder = temporaryFolder()
    const server = startCommand(['serve'], { folder, env: { PORT: '0', JWT_SECRET: SECRET } })
    const [, url = ''] = await server.sees(LISTENING)
    const client = clientFor(url, 'ann', { token: tokenFor('ann', {}, SECRET) })
    await client.channel('project:p1').join()
    await client.channel('project:p1').publish('task:update', { n: 1 })
    server.kill(signal)
    // A second signal is not a second stop.
    server.kill(signal)
    expect(await server.exited).toBe(0)
    expect(server.stderr()).toBe('')
    await until('the client knows', () => client.state === 'reconnecting')
    client.close()
    const next = startCommand(['serve'], { folder, env: { PORT: '0', JWT_SECRET: SECRET } })
    const [, again = ''] = await next.sees(LISTENING)
    const later = clientFor(again, 'ben', { token: tokenFor('ben', {}, SECRET) })
    expect(await later.channel('project:p1').join({ last: 10 })).toMatchObject({ head: 1 })
  },
)

test('what will not do is told as it is, exit code 2, nothing made', async () => {
  const folder = temporaryFolder()
  const { code, stdout, stderr } = await run(['serve'], { folder, env: { NODE_ENV: 'production', PORT: 'many' } })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^Convene does not start with these options:\n- PORT is "many".*\n- ACCESS is not set.*\n/)
  expect(existsSync(join(folder, 'data'))).toBe(false)
  expect(await run(['serve', 'now'], { folder })).toMatchObject({ code: 2 })
})

test('a port in use is told by the name of its option', async () => {
  const other = createServer()
  cleanup(() => other.close())
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  const place = { folder: temporaryFolder(), env: { PORT: String(port), JWT_SECRET: SECRET } }
  expect(await run(['serve'], place)).toEqual({
    code: 1,
    stdout: '',
    stderr: `Port ${port} is in use already: stop what listens there, or set PORT to another (0 takes any free one).\n`,
  })
})

test('a host that is not here is told by the name of its option', async () => {
  const place = { folder: temporaryFolder(), env: { PORT: '0', HOST: '192.0.2.1' } }
  expect(await run(['serve'], place)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^HOST is 192\.0\.2\.1: /),
  })
})

test('a database that another process holds is told', async () => {
  const folder = temporaryFolder()
  await startProcess({}, { folder })
  const env = { PORT: '0', DATABASE_URL: `sqlite:${join(folder, 'convene.db')}` }
  const { code, stderr } = await run(['serve'], { folder, env })
  expect(code).toBe(1)
  expect(stderr).toMatch(/^Another process has .*convene\.db open\..*\n$/)
})
