// The nginx that ships, in front of the servers of a test.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'
import { writeNginxFolder } from './nginx-folder.ts'

const WITHIN_MS = 20_000
const LOOK_EVERY_MS = 10

/** An nginx on this machine alone. Whoever starts it stops it. */
export interface Nginx {
  readonly url: string
  readonly port: number
  /** Of the master process that runs now. */
  readonly pid: number
  /** With `tls`: where plain HTTP is redirected from. */
  readonly plainUrl: string | undefined
  /** With `tls`: the certificate, in PEM. */
  readonly certificate: string | undefined
  /** As `nginx -s reload`. Resolves when the new workers serve and the old ones take nothing new. */
  reload(): Promise<void>
  /** Ends it with all of its connections, and starts it again on the same port. */
  restart(): Promise<void>
  /** Ends it and all of its workers as a crash does; `restart` starts it again. */
  kill9(): Promise<void>
  /** Ends it and removes its folder; stopping twice is one stop. */
  stop(): Promise<void>
  /** All that it has logged. */
  logs(): string
}

export interface NginxOptions {
  /** Where the nodes listen on loopback, in the order that ip_hash counts. */
  readonly ports: readonly number[]
  /** Whether a client stays at its node: `nginx.conf`, else `nginx-websocket.conf`. On unless given. */
  readonly sticky?: boolean
  /** `nginx-tls.conf`, with a certificate of its own for localhost. */
  readonly tls?: boolean
}

/**
 * Starts nginx with the configuration that ships, and resolves when it accepts connections.
 * @throws Error with its log when it did not start
 */
export async function startNginx({ ports, sticky = true, tls = false }: NginxOptions): Promise<Nginx> {
  if (tls && !sticky) throw new Error('what ships with TLS is sticky')
  const binary = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx'].find(existsSync) ?? 'nginx'
  const folder = mkdtempSync(join(tmpdir(), 'convene-nginx-'))
  // Its workers are somebody else when it is root.
  chmodSync(folder, 0o755)
  const port = await freePort()
  const plainPort = tls ? await freePort() : undefined
  const file = tls ? 'nginx-tls.conf' : sticky ? 'nginx.conf' : 'nginx-websocket.conf'
  writeNginxFolder(folder, { ports, port, file, ...(plainPort !== undefined && { plainPort }) })
  if (tls) await makeCertificate(join(folder, 'tls'))
  const settings = ['-p', folder, '-c', join(folder, file)]
  let master: ChildProcess | undefined

  async function start(): Promise<void> {
    const foreground = ['-e', 'logs/error.log', '-g', 'daemon off;']
    const child = spawn(binary, [...settings, ...foreground], { stdio: ['ignore', 'ignore', 'pipe'] })
    master = child
    let said = ''
    child.on('error', (error) => {
      said += error.message
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
    await until(async () => {
      if (hasEnded(child) || child.pid === undefined) throw new Error(`nginx did not start:\n${said}\n${logs()}`)
      return (await accepts(port)) && workersOf(logs(), child.pid).length > 0
    })
  }

  function logs(): string {
    const at = join(folder, 'logs')
    if (!existsSync(at)) return ''
    return readdirSync(at)
      .map((name) => readFileSync(join(at, name), 'utf8'))
      .join('')
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = master
    if (!child || child.pid === undefined || hasEnded(child)) return
    const workers = workersOf(logs(), child.pid)
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
    // They serve on without a master.
    if (signal === 'SIGKILL') for (const pid of workers) killIfThere(pid)
  }

  async function stop(): Promise<void> {
    await end('SIGTERM')
    rmSync(folder, { recursive: true, force: true })
  }

  await start().catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    url: `${tls ? 'https' : 'http'}://${tls ? 'localhost' : '127.0.0.1'}:${port}`,
    port,
    get pid() {
      return master?.pid as number
    },
    plainUrl: plainPort === undefined ? undefined : `http://localhost:${plainPort}`,
    certificate: tls ? readFileSync(join(folder, 'tls/fullchain.pem'), 'utf8') : undefined,
    async reload() {
      const pid = master?.pid as number
      const old = workersOf(logs(), pid)
      await promisify(execFile)(binary, [...settings, '-e', 'logs/error.log', '-s', 'reload'])
      await until(async () => {
        const text = logs()
        const isNew = workersOf(text, pid).length > old.length
        return isNew && old.every((worker) => new RegExp(`\\] ${worker}#\\d+: (gracefully|exit)`).test(text))
      })
    },
    async restart() {
      await end('SIGTERM')
      await start()
    },
    kill9: () => end('SIGKILL'),
    stop,
    logs,
  }
}

/** The workers that a master has ever started. */
function workersOf(logs: string, master: number): number[] {
  const started = new RegExp(`\\] ${master}#\\d+: start worker process (\\d+)$`, 'gm')
  return Array.from(logs.matchAll(started), ([, pid]) => Number(pid))
}

async function makeCertificate(folder: string): Promise<void> {
  mkdirSync(folder)
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const files = ['-keyout', join(folder, 'privkey.pem'), '-out', join(folder, 'fullchain.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...names, ...files])
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WITHIN_MS
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited ${WITHIN_MS} ms for nginx in vain`)
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended with its master.
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
