import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client as Postgres } from 'pg'
import { createClient } from 'redis'
import { describe, expect, test } from 'vitest'
import { readOptions } from '../../src/server/config/config.ts'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectEvent, join as joinChannel } from '../support/connect.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { startRedis } from '../support/redis-server.ts'
import { startNode } from '../support/start-node.ts'
import { SECRET } from '../support/start-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { readYaml } from '../support/yaml.ts'

interface Service {
  readonly image?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly networks: readonly string[] | Readonly<Record<string, { ipv4_address?: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly command?: readonly string[]
  readonly stop_grace_period?: string
  readonly env_file?: string
}

const compose = readYaml('docker-compose.yml') as {
  services: Record<string, Service>
  configs: Record<string, { content: string }>
}
const { services, configs } = compose
const nodes = Object.entries(services).filter(([name]) => name.startsWith('convene-'))
const PASSWORD = randomBytes(24).toString('hex')

/** As docker compose fills in variables, all with one password. */
function filledIn(text: string): string {
  return text.replace(/\$\{\w+(:\?[^}]*)?\}/g, PASSWORD)
}

describe('docker-compose.yml', () => {
  test('only nginx is reached from outside, and every service is watched', () => {
    expect(Object.keys(services)).toEqual(['nginx', 'convene-1', 'convene-2', 'convene-3', 'redis', 'postgres'])
    for (const [name, service] of Object.entries(services)) {
      expect([name, service.healthcheck?.test.length ?? 0]).not.toEqual([name, 0])
      expect([name, service.ports !== undefined]).toEqual([name, name === 'nginx'])
    }
    for (const name of ['redis', 'postgres']) expect(services[name]?.networks).toEqual(['back'])
  })

  test('has no secret of its own: whatever is one is wanted from the environment', () => {
    const text = readFileSync('docker-compose.yml', 'utf8')
    const given = Array.from(text.matchAll(/\$\{(\w*PASSWORD\w*)([^}]*)\}/g), ([, name, how]) => [name, how])
    expect(new Set(given.map(([name]) => name)).size).toBe(3)
    for (const [name, how] of given) expect([name, how]).toEqual([name, ':?openssl rand -hex 24'])
    for (const [, line] of text.matchAll(/PASSWORD: (.*)$/gm)) expect(line).toMatch(/^(""|\$\{.*\})$/)
  })

  test('its nodes start with what env.example wants, and not without', () => {
    const example = readFileSync('env.example', 'utf8')
    const names = Array.from(example.matchAll(/^#?([A-Z_]+)=(.*)$/gm), ([, name, value]) => [name, value] as const)
    for (const [, value] of names.filter(([name]) => /SECRET|KEYS|_PASSWORD/.test(name ?? ''))) expect(value).toBe('')
    const given = {
      JWT_SECRET: randomBytes(32).toString('base64url'),
      API_KEYS: PASSWORD,
      ACCESS: 'claims',
      ALLOWED_ORIGINS: 'https://app.example.com',
    }
    for (const name of Object.keys(given)) expect(names.map(([known]) => known)).toContain(name)
    for (const [, { environment = {}, env_file, stop_grace_period }] of nodes) {
      expect(env_file).toBe('.env')
      const filled = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, filledIn(value)]))
      const options = readOptions({ ...given, ...filled })
      expect(options).toMatchObject({ nodeEnv: 'production', port: 3001, trustProxy: 1, redisPrefix: 'convene' })
      expect(Number.parseInt(stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(options.drainMs + 1000)
      for (const name of ['JWT_SECRET', 'ACCESS']) {
        expect(() => readOptions({ ...given, ...filled, [name]: '' })).toThrow(/verify|ACCESS/)
      }
    }
  })

  test('nginx knows the nodes by their addresses, and every file it is given is there', () => {
    const known = Array.from(
      readFileSync('nginx/nodes-compose.conf', 'utf8').matchAll(/^server (\S+)/gm),
      ([, at]) => at,
    )
    const addresses = nodes.map(([, { networks }]) =>
      Array.isArray(networks)
        ? ''
        : `${(networks as Record<string, { ipv4_address?: string }>).front?.ipv4_address}:3001`,
    )
    expect(known).toEqual(addresses)
    const settings = (file: string) => readFileSync(file, 'utf8').match(/^(keepalive.*|server \S+ .*)$/gm)
    const shipped = settings('nginx/convene/nodes.conf')?.map((line) => line.replace(/127\S+/, ''))
    expect(settings('nginx/nodes-compose.conf')?.map((line) => line.replace(/10\.77\S+/, ''))).toEqual(shipped)
    for (const volume of services.nginx?.volumes ?? []) expect(existsSync(volume.split(':')[0] as string)).toBe(true)
  })

  test('its users and roles are enough for nodes, and for nothing else', { timeout: 120_000 }, async () => {
    const acl = join(temporaryFolder(), 'users.acl')
    // Somebody has to look into the log of what was refused.
    const users = `${filledIn(configs['redis-users']?.content ?? '')}user admin on nopass ~* &* +@all\n`
    writeFileSync(acl, users)
    const redis = await startRedis({ args: ['--aclfile', acl, '--protected-mode', 'no'], login: ['--user', 'admin'] })
    const redisUrl = `redis://convene:${PASSWORD}@127.0.0.1:${redis.port}`
    const postgres = await startPostgres()
    for (const line of filledIn(configs['postgres-role']?.content ?? '')
      .trim()
      .split('\n'))
      await postgres.query(line)
    const databaseUrl = `postgres://convene:${PASSWORD}@127.0.0.1:${postgres.port}/convene`

    const shared = {
      port: 0,
      jwtSecrets: [SECRET],
      logLevel: 'silent',
      presenceGraceMs: 100,
      databaseUrl,
      redisUrl,
    } as const
    // So seldom that what is heard came through Redis.
    const first = await startNode({ ...shared, serverId: 'node-1', headCheckMs: 60_000 })
    const second = await startNode({ ...shared, serverId: 'node-2', headCheckMs: 60_000 })
    const ready = async ({ url }: { url: string }) =>
      (await (await fetch(`${url}/readyz`)).json()) as { checks: object }
    for (const node of [first, second]) expect((await ready(node)).checks).toMatchObject({ store: 'ok', redis: 'ok' })
    const ann = await connect(first, 'ann')
    const ben = await connect(second, 'ben')
    for (const client of [ann, ben]) await joinChannel(client, 'project:p1')
    await first.server.publish('project:p1', { type: 'task:update', payload: { id: 't1' } })
    await expectEvent(ben, 'task:update')
    const admin = createClient({ url: `redis://admin:x@127.0.0.1:${redis.port}` })
    admin.on('error', () => {})
    await admin.connect()
    cleanup(() => admin.destroy())
    expect(await admin.sendCommand(['ACL', 'LOG'])).toEqual([])

    const elsewhere = await startNode({ ...shared, serverId: 'other', redisPrefix: 'other' })
    expect((await ready(elsewhere)).checks).toMatchObject({ store: 'ok', redis: 'degraded' })
    const convene = createClient({ url: redisUrl })
    convene.on('error', () => {})
    await convene.connect()
    cleanup(() => convene.destroy())
    const refused = [
      'SET other:a b',
      'GET convene:a',
      'PUBLISH other:bus x',
      'FLUSHALL',
      'CONFIG GET *',
      'CLIENT LIST',
      'KEYS *',
    ]
    for (const command of refused) {
      await expect(convene.sendCommand(command.split(' ')), command).rejects.toThrow(/NOPERM/)
    }
    const stranger = createClient({ url: redis.url, socket: { reconnectStrategy: false } })
    stranger.on('error', () => {})
    await stranger.connect().catch(() => {})
    await expect(stranger.sendCommand(['GET', 'convene:nodes'])).rejects.toThrow()
    stranger.destroy()

    const role = new Postgres({ connectionString: databaseUrl })
    await role.connect()
    cleanup(() => role.end())
    const { rows } = await role.query(
      "select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = 'convene'",
    )
    expect(rows).toEqual([{ rolsuper: false, rolcreatedb: false, rolcreaterole: false }])
  })
})

describe('render.yaml', () => {
  test('lets no client poll, waits longer than a node drains, and opens no database', () => {
    const { services: blueprint, databases } = readYaml('render.yaml') as {
      services: {
        type: string
        maxShutdownDelaySeconds?: number
        ipAllowList?: []
        envVars?: { key: string; value?: string }[]
      }[]
      databases: { ipAllowList: [] }[]
    }
    const [web, redis] = blueprint
    const values = Object.fromEntries((web?.envVars ?? []).map(({ key, value }) => [key, value]))
    expect(values).toMatchObject({ TRANSPORTS: 'websocket' })
    for (const name of ['JWT_SECRET', 'API_KEYS', 'DATABASE_URL', 'REDIS_URL']) expect(values[name]).toBeUndefined()
    expect((web?.maxShutdownDelaySeconds ?? 0) * 1000).toBeGreaterThan(Number(values.DRAIN_MS) + 1000)
    expect([redis?.ipAllowList, databases[0]?.ipAllowList]).toEqual([[], []])
  })
})

describe('Dockerfile', () => {
  const text = readFileSync('Dockerfile', 'utf8')
  const last = text.slice(text.lastIndexOf('\nFROM '))

  test('what it copies is there and let in, and what runs is not root, nor under a shell', () => {
    const allowed = Array.from(
      readFileSync('.dockerignore', 'utf8').matchAll(/^!(.+)$/gm),
      ([, name]) => name as string,
    )
    const copied = Array.from(text.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, names]) =>
      (names as string).split(' '),
    ).flat()
    expect(copied.length).toBeGreaterThan(5)
    expect(new Set(copied)).toEqual(new Set(allowed))
    for (const name of copied) expect([name, existsSync(name)]).toEqual([name, true])
    expect(last).toMatch(/^USER node$/m)
    for (const [, command] of last.matchAll(/^(?:CMD| {2}CMD) (.*)$/gm)) {
      expect(JSON.parse(command as string)[0]).toBe('node')
    }
  })

  test('its health check tells a node that lives from one that does not', async () => {
    const { server, port } = await startNode({
      port: 0,
      databaseUrl: 'sqlite::memory:',
      jwtSecrets: [SECRET],
      logLevel: 'silent',
    })
    const checks = [
      /^ {2}CMD (.*)$/m.exec(last)?.[1],
      JSON.stringify(services['convene-1']?.healthcheck?.test.slice(1)),
    ]
    for (const check of checks) expect(await exitCode(check, port)).toBe(0)
    await server.close()
    for (const check of checks) expect(await exitCode(check, port)).toBe(1)
  })
})

async function exitCode(command: string | undefined, port: number): Promise<number | null> {
  const [program = '', ...args] = (JSON.parse(command ?? '[]') as string[]).map((arg) =>
    arg.replace(':3001/', `:${port}/`),
  )
  const child = spawn(program, args, { env: { PATH: process.env.PATH, PORT: String(port) }, stdio: 'ignore' })
  return new Promise((resolve) => child.once('exit', resolve))
}
