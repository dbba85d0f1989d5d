import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectEvent, join as joinChannel } from '../support/connect.ts'
import { SECRET } from '../support/start-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RUN = join(ROOT, 'cluster/run.mjs')
const BIG_MS = 120_000

/** What `npm run cluster` runs when it has built, writing to a folder of its own only. */
function runCluster(env: Readonly<Record<string, string>> = {}, command: readonly string[] = [process.execPath, RUN]) {
  const [program = '', ...args] = command
  const folder = temporaryFolder()
  chmodSync(folder, 0o755)
  const given = { PATH: process.env.PATH ?? '', JWT_SECRET: SECRET, TMPDIR: folder, PORT: '0', ...env }
  const child = spawn(program, args, { cwd: folder, env: given, stdio: ['ignore', 'pipe', 'pipe'] })
  // Not before all who write to it have ended.
  const exited = once(child, 'close').then(([code]) => code as number | null)
  cleanup(async () => {
    child.kill('SIGTERM')
    await exited
  })
  let output = ''
  const heard = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const listener of heard) listener()
    })
  }
  /** Waits until it has written something that matches. */
  function expectOutput(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      function look(): void {
        const found = pattern.exec(output)
        if (!found) return
        heard.delete(look)
        resolve(found)
      }
      heard.add(look)
      look()
      exited.then((code) => reject(new Error(`it ended with ${code} before ${pattern}:\n${output}`)), reject)
    })
  }
  return { child: child as ChildProcess, folder, exited, expectOutput, output: () => output }
}

/** The processes that have to do with a folder, by their command lines. */
async function processesIn(folder: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,args='])
  return stdout.split('\n').filter((line) => line.includes(folder) && !line.includes('ps -eo'))
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a cluster serves one project on several nodes, starts a killed one again, and leaves nothing behind', {
  timeout: BIG_MS,
}, async () => {
  const cluster = runCluster()
  const [, url = ''] = await cluster.expectOutput(/listening on (http:\/\/localhost:\d+)\n[\s\S]*Ctrl-C/)
  const rows = Array.from(cluster.output().matchAll(/^ {2}(\S+) +port (\d+) +process (\d+)$/gm))
  expect(rows.map(([, name]) => name)).toEqual(['redis', 'postgres', 'node-1', 'node-2', 'node-3', 'nginx'])
  const pids = rows.map(([, , , pid]) => Number(pid))

  // As its demo does: a page, and tokens for its people.
  expect(await (await fetch(url, { headers: { accept: 'text/html' } })).text()).toContain('<html')
  const person = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"id":"ann","name":"Ann"}' }
  expect((await fetch(`${url}/demo/token`, person)).status).toBe(200)

  const ann = await connect({ url }, 'ann')
  const ben = await connect({ url }, 'ben')
  const [annsNode, bensNode] = [ann, ben].map(({ connected }) => connected.serverId)
  expect(annsNode).not.toBe(bensNode)
  for (const client of [ann, ben]) await joinChannel(client, 'project:p1')

  async function publish(operationId: string): Promise<void> {
    const fact = { type: 'task:update', projectId: 'p1', payload: { id: 't1' }, operationId }
    const response = await fetch(`${url}/broadcast`, { ...person, body: JSON.stringify(fact) })
    expect(await response.json()).toMatchObject({ success: true })
  }
  const isFact = (id: string) => (fact: { operationId: string }) => fact.operationId === id
  await publish('op-1')
  for (const client of [ann, ben]) await expectEvent(client, 'task:update', isFact('op-1'))

  const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
  const killed = Number(rows.find(([, name]) => name === annsNode)?.[3])
  process.kill(killed, 'SIGKILL')
  await gone
  await cluster.expectOutput(new RegExp(`${annsNode}, process ${killed}, has ended \\(SIGKILL\\)`))
  const [, again] = await cluster.expectOutput(new RegExp(`${annsNode} is back as process (\\d+)`))
  await publish('op-2')
  await expectEvent(ben, 'task:update', isFact('op-2'))
  const port = rows.find(([, name]) => name === annsNode)?.[2]
  const cat = await connect({ url: `http://127.0.0.1:${port}` }, 'cat')
  expect(cat.connected.serverId).toBe(annsNode)
  expect((await joinChannel(cat, 'project:p1')).head).toBe(2)

  cluster.child.kill('SIGINT')
  cluster.child.kill('SIGINT')
  expect(await cluster.exited).toBe(0)
  expect([...pids, Number(again)].filter(lives)).toEqual([])
  expect(readdirSync(cluster.folder).filter((name) => name.startsWith('convene'))).toEqual([])
  expect(await processesIn(cluster.folder)).toEqual([])
  expect(cluster.output()).not.toContain(SECRET)
})

test('one part that does not start ends the cluster, which says why and leaves nothing behind', {
  timeout: BIG_MS,
}, async () => {
  const programs = temporaryFolder()
  writeFileSync(join(programs, 'nginx'), '#!/bin/sh\necho "the disk is full" >&2\nexit 3\n', { mode: 0o755 })
  const cluster = runCluster({ PATH: `${programs}:${process.env.PATH}` })
  expect(await cluster.exited).toBe(1)
  expect(cluster.output()).toMatch(/nginx did not start \(exit code 3\):\nthe disk is full/)
  expect(readdirSync(cluster.folder)).toEqual([])
  expect(await processesIn(cluster.folder)).toEqual([])
})

test('stopping npm itself, while the cluster starts, leaves nothing behind', { timeout: BIG_MS }, async () => {
  // Ignored are the scripts before and after it: the build.
  const cluster = runCluster({}, ['npm', '--prefix', ROOT, '--ignore-scripts', 'run', 'cluster'])
  await cluster.expectOutput(/Starting/)
  cluster.child.kill('SIGTERM')
  await cluster.exited
  expect(cluster.output()).toContain('nothing of it is left')
  expect(readdirSync(cluster.folder)).toEqual([])
  expect(await processesIn(cluster.folder)).toEqual([])
})

test('it says which program to install, and which port is in use', { timeout: BIG_MS }, async () => {
  const empty = temporaryFolder()
  mkdirSync(join(empty, 'bin'))
  const without = runCluster({ PATH: join(empty, 'bin') })
  expect(await without.exited).toBe(1)
  expect(without.output()).toMatch(/redis-server.*\n.*sudo apt-get install .*redis-server.*\n.*brew install .*redis/)

  const other = createServer().listen(0, '127.0.0.1')
  cleanup(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const taken = runCluster({ PORT: String(port) })
  expect(await taken.exited).toBe(1)
  expect(taken.output()).toContain(`Port ${port} cannot be listened on (EADDRINUSE)`)
  for (const { folder } of [without, taken]) expect(existsSync(folder) && readdirSync(folder)).toEqual([])
})

test('npm run cluster builds first', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  expect(scripts.precluster).toContain('build')
  // Without a shell between npm and it, which would not pass SIGTERM on.
  expect(scripts.cluster).toBe('exec node cluster/run.mjs')
})
