// A Postgres of a test's own.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { cleanup } from './cleanup.ts'
import { freePort } from './free-port.ts'

const STARTS_WITHIN_MS = 60_000
const ASK_EVERY_MS = 50

/** A Postgres server on this machine alone. */
export interface PostgresServer {
  readonly port: number
  /** Of the process that runs now. */
  readonly pid: number
  /** The address of one of its databases. */
  url(database: string): string
  /** An empty database. Resolves to its address. */
  createDatabase(): Promise<string>
  /** Ends it and removes what it kept; stopping twice is one stop. */
  stop(): Promise<void>
  /** Ends the postmaster as a crash does. Resolves when it is gone. */
  kill9(): Promise<void>
  /** Starts it again with what it kept; ends it first when it runs. Resolves when it answers. */
  restart(): Promise<void>
  /** All of its processes stay connected and do nothing any more, until `thaw`. */
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** Starts it again as a replica that takes over does. Resolves when it is the primary. */
  promote(): Promise<void>
  /** Copies a database into an empty one, as a backup is restored. */
  dumpInto(from: string, to: string): Promise<void>
  /** Asks it something as its superuser. */
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>
}

export interface PostgresServerOptions {
  /** Whether what is committed survives a crash of the machine as well; slower. */
  readonly fsync?: boolean
  /** Whoever starts it for the tests of a whole file stops it, too. */
  readonly forFile?: boolean
  /** More settings, as `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>
}

/**
 * Starts a Postgres on a free loopback port, and resolves when it answers. Ended when the test ends.
 * @throws Error with the output of a server that did not start
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const bin = binaries()
  const owner = await unprivileged()
  const folder = mkdtempSync(join(tmpdir(), 'convene-postgres-'))
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const port = await freePort()
  let server: ChildProcess | undefined
  let output = ''

  async function start(): Promise<void> {
    const { fsync = false, settings = {} } = options
    const given = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: folder,
      fsync: fsync ? 'on' : 'off',
      max_connections: '200',
      ...settings,
    }
    const flags = Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(join(bin, 'postgres'), ['-D', data, ...flags], { ...owner, stdio: ['ignore', 'pipe', 'pipe'] })
    server = child
    child.on('error', (error) => {
      output += error.message
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        output = (output + chunk).slice(-10_000)
      })
    }
    const deadline = Date.now() + STARTS_WITHIN_MS
    while (!(await query('select 1').catch(() => undefined))) {
      if (Date.now() > deadline || hasEnded(child)) throw new Error(`postgres did not start:\n${output}`)
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
    }
  }

  async function query(sql: string, database = 'postgres'): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: url(database), connectionTimeoutMillis: 5000 })
    client.on('error', () => {})
    try {
      await client.connect()
      return (await client.query(sql)).rows as Record<string, unknown>[]
    } finally {
      await client.end().catch(() => {})
    }
  }

  function url(database: string): string {
    return `postgres://postgres@127.0.0.1:${port}/${database}`
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = server
    if (!child || child.pid === undefined || hasEnded(child)) return
    const exited = once(child, 'exit')
    // Frozen, it would not hear of it.
    for (const pid of await processes(child.pid)) signalTo(pid, 'SIGCONT')
    child.kill(signal)
    await exited
  }

  async function stop(): Promise<void> {
    await end('SIGQUIT')
    rmSync(folder, { recursive: true, force: true })
  }

  if (!options.forFile) cleanup(stop)
  await promisify(execFile)(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    owner,
  )
  await start()
  return {
    port,
    get pid() {
      return server?.pid as number
    },
    url,
    async createDatabase() {
      const name = `test_${randomBytes(6).toString('hex')}`
      await query(`create database "${name}"`)
      return url(name)
    },
    stop,
    async kill9() {
      const children = server?.pid === undefined ? [] : await processes(server.pid)
      await end('SIGKILL')
      // The backends notice by themselves, but a new postmaster does not start while one of them lives.
      for (const pid of children) signalTo(pid, 'SIGKILL')
    },
    async restart() {
      await end('SIGINT')
      await start()
    },
    async promote() {
      await end('SIGINT')
      writeFileSync(join(data, 'standby.signal'), '')
      await start()
      await query('select pg_promote()')
    },
    async freeze() {
      for (const pid of await processes(server?.pid as number)) signalTo(pid, 'SIGSTOP')
    },
    async thaw() {
      for (const pid of await processes(server?.pid as number)) signalTo(pid, 'SIGCONT')
    },
    async dumpInto(from, to) {
      const dump = await promisify(execFile)(join(bin, 'pg_dump'), ['--dbname', from], { maxBuffer: 2 ** 28 })
      const restored = promisify(execFile)(join(bin, 'psql'), ['--dbname', to, '--quiet', '--set', 'ON_ERROR_STOP=1'])
      restored.child.stdin?.end(dump.stdout)
      await restored
    },
    query,
  }
}

/** Where Debian keeps the server's programs, else wherever they are found. */
function binaries(): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folders = [...versions.map((version) => join(root, version, 'bin')), ...(process.env.PATH ?? '').split(':')]
  const found = folders.find((folder) => existsSync(join(folder, 'initdb')))
  if (!found) throw new Error('PostgreSQL is not here; see test/support/install-services.sh')
  return found
}

/** As whom it runs: Postgres refuses to be root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const idOf = async (flag: string) => Number((await promisify(execFile)('id', [flag, 'postgres'])).stdout)
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

/** A process and its children. */
async function processes(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return [pid, ...stdout.split(/\s+/).filter(Boolean).map(Number)]
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
