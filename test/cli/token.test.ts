// `convene token`: what it signs, and that a server believes it.
import { readdirSync } from 'node:fs'
import jwt from 'jsonwebtoken'
import { expect, test } from 'vitest'
import { run, startCommand } from '../support/command.ts'
import { clientFor } from '../support/sdk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const SECRET = 'q7Vv0mYx3Jt9ZcB1nKfLrW5sHdPgEuA2oTiX8yRk'

/** The claims of a printed token, its signature checked, its times as how long it is good. */
async function claimsOf(args: readonly string[], env: Record<string, string> = {}) {
  const place = { folder: temporaryFolder(), env: { JWT_SECRET: `${SECRET},an older one`, ...env } }
  const { code, stdout, stderr } = await run(['token', ...args], place)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
  const { iat = 0, exp = 0, ...claims } = jwt.verify(stdout.trim(), SECRET, { algorithms: ['HS256'] }) as jwt.JwtPayload
  return { ...claims, seconds: exp - iat }
}

test('who, with what name, and for how long', async () => {
  expect(await claimsOf(['ann'])).toEqual({ sub: 'ann', seconds: 3600 })
  expect(await claimsOf(['ann', '--name', 'Ann Ode', '--expires', '7d'])).toEqual({
    sub: 'ann',
    name: 'Ann Ode',
    seconds: 7 * 86_400,
  })
  expect(await claimsOf(['ann', '--expires', '30m'])).toMatchObject({ seconds: 1800 })
})

test('where, and as what', async () => {
  const channels = ['--channels', 'project:p1,room:*']
  expect(await claimsOf(['ann', ...channels])).toMatchObject({ channels: ['project:p1', 'room:*'] })
  const roles = { 'project:p1': 'viewer', 'room:*': 'viewer' }
  expect(await claimsOf(['ann', ...channels, '--role', 'viewer'])).toMatchObject({ channels: roles })
  expect(await claimsOf(['ann', '--role', 'admin'])).toMatchObject({ role: 'admin' })
  const here = await claimsOf(['ann', '--role', 'admin', '--channels', 'room:r1'])
  expect(here).toMatchObject({ channels: { 'room:r1': 'admin' } })
  expect(here).not.toHaveProperty('role')
})

test('the issuer and the audience that the server checks', async () => {
  const env = { JWT_ISSUER: 'https://app.example.com', JWT_AUDIENCE: 'convene' }
  expect(await claimsOf(['ann'], env)).toMatchObject({ iss: 'https://app.example.com', aud: 'convene' })
})

test('in development without a secret, the server of the same folder believes it', async () => {
  const folder = temporaryFolder()
  const server = startCommand(['serve'], { folder, env: { PORT: '0' } })
  const [, url = ''] = await server.sees(/listening on (\S+)/)
  const { code, stdout } = await run(['token', 'ann', '--name', 'Ann'], { folder })
  expect(code).toBe(0)
  const client = clientFor(url, 'ann', { token: stdout.trim() })
  await until('connected', () => client.state === 'connected')
  const { presence } = await client.channel('project:p1').join()
  expect(presence.members.map(({ user }) => user)).toEqual([{ id: 'ann', name: 'Ann' }])
})

test.each([
  ['token', 'ann'],
  ['tail', 'project:p1'],
])('where no server has run, %s makes no secret and says so with exit code 1', async (...args) => {
  const folder = temporaryFolder()
  expect(await run(args, { folder })).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'No JWT_SECRET, and no server has run in this folder (data/development-secret is not there): run it where the server runs, or set JWT_SECRET\n',
  })
  expect(readdirSync(folder)).toEqual([])
})

test.each([
  [[], "'userId'"],
  [[''], "'userId'"],
  [['ann', '--expires', 'soon'], '--expires'],
  [['ann', '--expires', '0h'], '--expires'],
  [['ann', '--expires', '9999d'], '--expires'],
  [['ann', '--role', 'king'], '--role'],
  [['ann', '--role', 'viewer'], '--channels'],
  [['ann', '--channels', 'p1'], '--channels'],
  [['ann', '--channels', 'project:p1,,'], '--channels'],
  [['ann', 'ben'], 'arguments'],
])('asked wrongly, %j: exit code 2, naming %s', async (args, name) => {
  const place = { folder: temporaryFolder(), env: { JWT_SECRET: SECRET } }
  const { code, stdout, stderr } = await run(['token', ...args], place)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(name)
})

test.each([
  ['of others', { ACCESS_WEBHOOK_SECRET: SECRET, PORT: 'none', REDIS_URL: 'redis://localhost', PING_INTERVAL_MS: '1' }],
  ['of others, in production', { NODE_ENV: 'production', JWT_SECRET: SECRET, ACCESS: 'webhook', ALLOWED_ORIGINS: '*' }],
])('options that it does not read are not asked, however wrong: those %s', async (_which, env) => {
  expect(await claimsOf(['ann'], env)).toMatchObject({ sub: 'ann' })
})

test('options that it reads are checked, in production too', async () => {
  const place = { folder: temporaryFolder(), env: { NODE_ENV: 'production', JWT_SECRET: 'short', PORT: 'none' } }
  const { code, stdout, stderr } = await run(['token', 'ann'], place)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('JWT_SECRET: value 1 of 1 has 5 bytes')
  expect(stderr).not.toMatch(/PORT|ACCESS/)
})

test('without anything to sign with: exit code 2, saying what is missing', async () => {
  const folder = temporaryFolder()
  for (const env of [
    { JWKS_URL: 'https://issuer.example.com/keys' },
    { DATABASE_URL: 'sqlite::memory:' },
    { NODE_ENV: 'production', ACCESS: 'claims' },
  ]) {
    const { code, stdout, stderr } = await run(['token', 'ann'], { folder, env })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('JWT_SECRET is not set')
  }
})
