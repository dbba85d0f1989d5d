import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { run, startCommand } from '../support/command.ts'
import { startNginx } from '../support/nginx.ts'
import { type Plain, type PlainOptions, plainTo } from '../support/plain.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { startRedis } from '../support/redis-server.ts'
import { SECRET } from '../support/start-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const MARKER = 'm4rk3r'
const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const
const LISTENING = /http:\/\/(?:localhost|127\.0\.0\.1):(\d+)(?:"|\s).*\n/
const STRONG = 'q7Vv0mYx3Jt9ZcB1nKfLrW5sHdPgEuA2oTiX8yRk'

/**
 * Connects in every way that a token can be shown, well and badly, and over HTTP. Gives back all that it was told; those
 * that were let in go when `shown` is done.
 */
async function showTokens(url: string, tokens: readonly string[], shown = async () => {}): Promise<string> {
  const told: string[] = []
  const clients: Plain[] = []
  for (const token of tokens) {
    for (const path of DOORS) {
      const encoded = encodeURIComponent(token)
      const cookie = `next-auth.session-token=${encoded}; authjs.session-token.0=${encoded}; userId=ann`
      const ways: readonly (readonly [string, PlainOptions])[] = [
        [`?token=${encoded}`, {}],
        [`?userId=ann&token=${encoded}&x=1`, {}],
        ['', { protocols: [`bearer.${token}`, 'chat'] }],
        ['', { headers: { authorization: `Bearer ${token}` } }],
        ['', { headers: { cookie, origin: 'http://localhost:3000' } }],
        [`?token=${encoded}`, { headers: { cookie, origin: 'https://evil.example.com' } }],
      ]
      for (const [query, options] of ways) {
        const client = plainTo({ url }, path + query, options)
        const refused = new Promise((resolve) => client.ws.once('error', (error) => resolve(error.message)))
        const heard = new Promise((resolve) => client.ws.once('message', resolve))
        told.push(String(await Promise.race([heard.then(() => 'heard'), refused, client.closed.then(JSON.stringify)])))
        clients.push(client)
      }
    }
    for (const path of ['/metrics', '/api/realtime', '/api/community/messages', '/stats', '/nothing']) {
      const at = `${url}${path}?token=${encodeURIComponent(token)}&access_token=${encodeURIComponent(token)}`
      for (const headers of [{}, { authorization: `Bearer ${token}` }]) {
        told.push(await (await fetch(at, { headers })).text())
        told.push(
          await (
            await fetch(at, {
              method: 'POST',
              headers: { ...headers, 'content-type': 'application/json' },
              body: '{"type":"SYNC","operations":[]',
            })
          ).text(),
        )
      }
    }
  }
  for (const client of clients) {
    client.say({ type: 'JOIN_PROJECT', projectId: 'p1', userId: 'ann' })
    client.say('garbage')
  }
  await shown()
  for (const client of clients) {
    client.ws.close()
    told.push(JSON.stringify(client.received))
  }
  return told.join('\n')
}

function tokensOf(secret: string): string[] {
  return [
    tokenFor('mallory', { note: MARKER }, secret),
    tokenFor('mallory', { exp: 1, note: MARKER }, secret),
    tokenFor('mallory', { note: MARKER }, `another-secret-${MARKER}-which-is-long-enough`),
    `${MARKER}.${MARKER}.${MARKER}`,
    `eyJhbGciOiJub25lIn0.${Buffer.from(MARKER).toString('base64url')}.`,
  ]
}

/** What must be found nowhere: tokens and the parts of them. */
function secretsIn(tokens: readonly string[]): string[] {
  return [MARKER, ...tokens.flatMap((token) => token.split('.').filter((part) => part.length > 20))]
}

test.each([
  ['pretty, in development', { JWT_SECRET: SECRET }],
  ['JSON, in production', { NODE_ENV: 'production', JWT_SECRET: STRONG, ACCESS: 'claims', HOST: '127.0.0.1' }],
] as const)(
  '[D3] A4 [ERR2] a token is in no line of the log, at any level (%s), nor told, measured or kept in Redis',
  async (_how, env) => {
    // Redis is for nodes that share a database.
    const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
    const listened = spawn('redis-cli', ['-p', String(redis.port), 'monitor'], { stdio: ['ignore', 'pipe', 'ignore'] })
    cleanup(async () => {
      const exited = once(listened, 'exit')
      listened.kill('SIGKILL')
      await exited
    })
    let commands = ''
    listened.stdout.on('data', (data) => {
      commands += String(data)
    })
    await until('redis is watched', () => commands.includes('OK'))
    const server = startCommand(['serve'], {
      folder: temporaryFolder(),
      env: {
        ...env,
        PORT: '0',
        LOG_LEVEL: 'trace',
        NEXTAUTH: 'true',
        REDIS_URL: redis.url,
        DATABASE_URL: await postgres.createDatabase(),
        ALLOWED_ORIGINS: 'http://localhost:3000',
        RATE_CONNECTIONS_PER_MINUTE: '100000',
      },
    })
    const [, port] = await server.sees(LISTENING)
    const tokens = tokensOf(env.JWT_SECRET)
    const told = await showTokens(`http://127.0.0.1:${port}`, tokens, () =>
      until('the other nodes are told', () => commands.includes('mallory')),
    )
    await server.sees(/a connection was refused/)
    expect(told).toContain('heard')
    expect(told).toContain('403')
    expect(told).toContain('unauthenticated')
    server.kill('SIGTERM')
    expect(await server.exited).toBe(0)
    const log = server.stdout() + server.stderr()
    for (const secret of secretsIn(tokens)) {
      expect(log).not.toContain(secret)
      expect(told).not.toContain(secret)
      expect(commands).not.toContain(secret)
    }
  },
)

test('[D3] A31 the nginx that ships writes no query of a plain door into a log, of those it lets in nor of others', async () => {
  const server = startCommand(['serve'], {
    folder: temporaryFolder(),
    env: { PORT: '0', JWT_SECRET: SECRET, TRUST_PROXY: '1', RATE_CONNECTIONS_PER_MINUTE: '100000' },
  })
  const [, port] = await server.sees(LISTENING)
  const nginx = await startNginx({ ports: [Number(port)] })
  cleanup(nginx.stop)
  const tokens = tokensOf(SECRET)
  await showTokens(nginx.url, tokens)
  server.kill('SIGTERM')
  expect(await server.exited).toBe(0)
  // No node is there any more.
  await showTokens(nginx.url, tokens.slice(0, 1))
  await nginx.restart()
  const logs = nginx.logs()
  for (const path of DOORS) {
    expect(logs).toContain(`"path":"${path}","status":"101"`)
    expect(logs).toContain(`"path":"${path}","status":"502"`)
  }
  for (const secret of [...secretsIn(tokens), 'token=', 'userId=']) expect(logs).not.toContain(secret)
})

test('[D3] a server that believes claims says so loudly as it starts, and one that does not says nothing of it', async () => {
  const warned = /INSECURE_IDENTITY: clients of the older families are whoever they say they are/
  const loud = /identity NOT VERIFIED/
  const start = async (env: Record<string, string>) => {
    const server = startCommand(['serve'], { folder: temporaryFolder(), env: { PORT: '0', ...env } })
    await server.sees(/access +open/)
    const said = server.stdout()
    server.kill('SIGTERM')
    await server.exited
    return [warned.test(said), loud.test(said), /unset INSECURE_IDENTITY/.test(said)]
  }
  expect(await start({})).toEqual([true, true, false])
  expect(await start({ LOG_LEVEL: 'error' })).toEqual([false, true, false])
  expect(await start({ JWT_SECRET: SECRET })).toEqual([false, false, false])
  expect(await start({ INSECURE_IDENTITY: 'false' })).toEqual([false, false, false])
  expect(await start({ JWT_SECRET: SECRET, INSECURE_IDENTITY: 'true' })).toEqual([true, true, true])
})

test('[D3] production refuses to start with INSECURE_IDENTITY', async () => {
  const env = {
    PORT: '0',
    NODE_ENV: 'production',
    JWT_SECRET: STRONG,
    ACCESS: 'claims',
    INSECURE_IDENTITY: 'true',
  }
  const { code, stderr } = await run(['serve'], { folder: temporaryFolder(), env })
  expect(code).toBe(2)
  expect(stderr).toContain('INSECURE_IDENTITY is "true": production believes verified tokens only')
})
