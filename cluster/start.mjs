// Starts the parts of a cluster, each when those that it needs are there.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeNginxFolder } from './nginx-folder.mjs'
import { startPart } from './part.mjs'
import { freePorts } from './ports.mjs'
import { findPrograms, postgresOwner } from './programs.mjs'

const NODES = 3
const UNSET = [
  'METRICS_PORT',
  'ALLOWED_ORIGINS',
  'ACCESS',
  'API_KEYS',
  'REDIS_PREFIX',
  'DEMO',
  'JWT_PUBLIC_KEY',
  'JWKS_URL',
]
const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))

/**
 * Redis, Postgres, three nodes and an nginx in front of them, on loopback, with their data in a temporary folder.
 * @param {object} cluster `port` of nginx, 0 for any; the `secret` of tokens; `say(line)`; `isStopping()`
 * @returns `parts` with name, port and pid, the `folder`, and `stop`. What did start is stopped when something does not.
 * @throws Error saying which part did not start, and why
 */
export async function startCluster({ port: wanted, secret, say, isStopping }) {
  const programs = findPrograms()
  const owner = postgresOwner()
  const [port, redisPort, postgresPort, ...nodePorts] = await freePorts(3 + NODES, wanted)
  const password = randomBytes(16).toString('hex')
  const parts = []
  const folder = mkdtempSync(join(tmpdir(), 'convene-cluster-'))
  // Postgres and the workers of nginx are others than root.
  chmodSync(folder, 0o755)
  const place = (name) => {
    mkdirSync(join(folder, name), { mode: 0o700 })
    return join(folder, name)
  }

  let stopped
  function stop() {
    // From the door inwards.
    stopped ??= (async () => {
      for (const { part } of parts.toReversed()) await part.stop()
      rmSync(folder, { recursive: true, force: true })
    })()
    return stopped
  }

  async function begin(name, at, how) {
    if (isStopping()) throw new Error('Stopped before it had started')
    parts.push({ port: at, part: await startPart({ stopWith: 'SIGTERM', ...how, name, say }) })
  }

  async function initialize(data) {
    const file = join(data, 'password')
    writeFileSync(file, password, { mode: 0o600 })
    if (owner.uid !== undefined) for (const path of [data, file]) chownSync(path, owner.uid, owner.gid)
    const settings = [
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      '--pwfile',
      file,
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ]
    await promisify(execFile)(programs.initdb, ['-D', join(data, 'data'), ...settings], { ...owner, cwd: data })
    const flags = { port: postgresPort, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' }
    return ['-D', join(data, 'data'), ...Object.entries(flags).flatMap(([key, value]) => ['-c', `${key}=${value}`])]
  }

  try {
    const redis = `port ${redisPort}\nbind 127.0.0.1\nsave ""\nrequirepass ${password}\n`
    await begin('redis', redisPort, {
      command: programs.redis,
      args: ['-'],
      input: redis,
      options: { cwd: place('redis') },
      ready: /ready to accept connections/i,
    })
    const data = place('postgres')
    await begin('postgres', postgresPort, {
      command: programs.postgres,
      args: await initialize(data),
      options: { ...owner, cwd: data },
      ready: /ready to accept connections/,
      stopWith: 'SIGINT', // fast: it waits for nobody
    })
    for (const [index, nodePort] of nodePorts.entries()) {
      const name = `node-${index + 1}`
      await begin(name, nodePort, {
        command: process.execPath,
        args: [MAIN, 'serve'],
        options: {
          env: {
            LOG_LEVEL: 'warn',
            ...process.env,
            NODE_ENV: 'development',
            HOST: '127.0.0.1',
            PORT: String(nodePort),
            SERVER_ID: name,
            TRUST_PROXY: '0',
            TRANSPORTS: 'websocket',
            // What a shell may have exported for production is not for here.
            ...Object.fromEntries(UNSET.map((option) => [option, ''])),
            JWT_SECRET: secret,
            DATABASE_URL: `postgres://postgres:${password}@127.0.0.1:${postgresPort}/postgres`,
            REDIS_URL: `redis://:${password}@127.0.0.1:${redisPort}`,
          },
        },
        ready: /listening on \S+/,
        show: (text) => say(text.replace(/^(?=.)/gm, `${name} | `).trimEnd()),
      })
    }
    const at = place('nginx')
    chmodSync(at, 0o755)
    await begin('nginx', port, {
      command: programs.nginx,
      args: [
        '-p',
        at,
        '-c',
        writeNginxFolder(at, programs.nginx, port, nodePorts),
        '-e',
        'stderr',
        '-g',
        'daemon off;',
      ],
      options: { cwd: at },
      ready: /start worker process \d+/,
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { parts: parts.map(({ port, part }) => ({ name: part.name, port, pid: part.pid })), folder, stop }
}
