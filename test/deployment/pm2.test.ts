import { execFile } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { startNginx } from '../support/nginx.ts'
import { startPostgres } from '../support/postgres-server.ts'
import { startRedis } from '../support/redis-server.ts'
import { clientFor, listenTo } from '../support/sdk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const KEY = 'a-key-of-the-app-server-0123456789'
const CHANNEL = 'project:p1'

interface Listed {
  readonly name: string
  readonly pid: number
  readonly pm2_env: { readonly status: string; readonly PORT: number }
}

/** A port that is free with the two after it, where no system gives out ports: a node that is reloaded finds its own again. */
async function threePorts(): Promise<number> {
  for (;;) {
    const first = 20_000 + randomInt(10_000)
    const probes = [first, first + 1, first + 2].map((port) => createServer().listen(port, '127.0.0.1'))
    const all = await Promise.all(probes.map((probe) => once(probe, 'listening'))).catch(() => undefined)
    for (const probe of probes) probe.close()
    if (all) return first
  }
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
  return response?.status === 200
}

test('pm2 start serves three nodes, and pm2 reload under load loses nothing that was acknowledged', {
  timeout: 240_000,
}, async () => {
  const postgres = await startPostgres()
  const redis = await startRedis()
  const first = await threePorts()
  // As somebody stands in the project, with a PM2 of his own.
  const place = temporaryFolder()
  for (const name of ['package.json', 'ecosystem.config.js']) cpSync(join(ROOT, name), join(place, name))
  for (const name of ['node_modules', 'dist']) symlinkSync(join(ROOT, name), join(place, name))
  const env = {
    PATH: process.env.PATH,
    HOME: place,
    PM2_HOME: join(place, '.pm2'),
    PORT: String(first),
    JWT_SECRET: randomBytes(32).toString('base64url'),
    API_KEYS: KEY,
    ACCESS: 'open',
    LOG_LEVEL: 'warn',
    DATABASE_URL: await postgres.createDatabase(),
    REDIS_URL: redis.url,
    RATE_CONNECTIONS_PER_MINUTE: '100000',
  }
  async function pm2(...args: string[]): Promise<string> {
    const binary = join(ROOT, 'node_modules/pm2/bin/pm2')
    const ran = promisify(execFile)(process.execPath, [binary, ...args], { cwd: place, env, maxBuffer: 2 ** 26 })
    return (await ran).stdout
  }
  const list = async () => {
    const all = JSON.parse((await pm2('jlist')).replace(/^[^[]*(?=\[\{)/, '')) as Listed[]
    return all.map(({ pid, pm2_env: { status, PORT } }) => ({ pid, status, port: Number(PORT) }))
  }
  cleanup(() => pm2('kill'))
  await pm2('start', 'ecosystem.config.js')
  const before = await list()
  const said = await pm2('logs', '--nostream', '--lines', '100')
  expect(
    before.map(({ port, status }) => [port, status]),
    said,
  ).toEqual([first, first + 1, first + 2].map((port) => [port, 'online']))
  // It said so because they listen.
  for (const { port } of before) expect(await isReady(port)).toBe(true)

  const nginx = await startNginx({ ports: before.map(({ port }) => port), sticky: false })
  cleanup(nginx.stop)
  const token = () => tokenOf('ann')
  const tokenOf = async (id: string) => {
    const main = join(ROOT, 'dist/cli/main.js')
    return (await promisify(execFile)(process.execPath, [main, 'token', id], { env })).stdout.trim()
  }
  const ann = clientFor(nginx.url, 'ann', { token })
  const told = listenTo(ann, CHANNEL)
  await ann.channel(CHANNEL).join({})

  const acknowledged = new Set<string>()
  let publishing = true
  async function publishFrom(who: string): Promise<void> {
    for (let n = 0; publishing; n++) {
      const operationId = `${who}-${n}`
      // As an app's server does: again with the same operationId, until it is told that it is kept.
      while (publishing && !acknowledged.has(operationId)) {
        if (await publish(operationId)) acknowledged.add(operationId)
        else await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }
  async function publish(operationId: string): Promise<boolean> {
    const headers = { 'content-type': 'application/json', 'x-api-key': KEY }
    const body = JSON.stringify({ type: 'task:update', projectId: 'p1', payload: { id: 't1' }, operationId })
    const response = await fetch(`${nginx.url}/broadcast`, { method: 'POST', headers, body }).catch(() => undefined)
    return response?.status === 200
  }
  const publishers = ['one', 'two', 'three'].map(publishFrom)
  await pm2('reload', 'ecosystem.config.js')
  const after = await list()
  publishing = false
  await Promise.all(publishers)

  expect(after.map(({ port, status }) => [port, status])).toEqual(before.map(({ port }) => [port, 'online']))
  expect(after.filter(({ pid }) => before.some((one) => one.pid === pid))).toEqual([])
  expect(acknowledged.size).toBeGreaterThan(100)

  // None was killed for being slow.
  const log = await pm2('logs', 'PM2', '--nostream', '--lines', '1000')
  expect(log).not.toMatch(/SIGKILL/)

  // One that dies by itself comes back at its port.
  const { pid, port } = after[0] as { pid: number; port: number }
  process.kill(pid, 'SIGKILL')
  while (!(await isReady(port)) || (await list())[0]?.pid === pid)
    await new Promise((resolve) => setTimeout(resolve, 50))

  const last = `last-${acknowledged.size}`
  const heard = new Promise<void>((resolve) => {
    ann.channel(CHANNEL).on('*', (fact) => fact.operationId === last && resolve())
  })
  // nginx may have met the killed node's connection, and repeats no POST.
  while (!(await publish(last))) await new Promise((resolve) => setTimeout(resolve, 50))
  await heard
  const ids = told.facts.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect([...acknowledged].filter((id) => !ids.includes(id))).toEqual([])
  expect(told.facts.map(({ seq }) => seq)).toEqual(told.facts.map((_, i) => i + 1))
  expect(told.breaks).toEqual([])
})
