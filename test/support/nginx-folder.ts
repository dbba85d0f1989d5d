import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SHIPPED = fileURLToPath(new URL('../../nginx', import.meta.url))

export interface NginxFolderOptions {
  /** Where the nodes listen, in the order that ip_hash counts. */
  readonly ports: readonly number[]
  readonly port: number
  readonly file: 'nginx.conf' | 'nginx-tls.conf' | 'nginx-websocket.conf'
  /** Where the file that redirects to TLS listens for plain HTTP. */
  readonly plainPort?: number
}

/**
 * Copies the configuration that ships into a folder of a test, and changes there only where it listens, where its nodes
 * are and where it writes.
 * @throws Error when what is to be changed is not found
 */
export function writeNginxFolder(folder: string, { ports, port, file, plainPort }: NginxFolderOptions): void {
  cpSync(SHIPPED, folder, { recursive: true })
  mkdirSync(join(folder, 'logs'))

  /** Replaces each occurrence. */
  function replace(name: string, what: RegExp, by: string, times: number): void {
    const path = join(folder, name)
    const text = readFileSync(path, 'utf8')
    const found = text.match(new RegExp(what, 'gm'))?.length ?? 0
    if (found !== times) throw new Error(`nginx/${name} has ${found} of ${what}, not ${times}`)
    writeFileSync(
      path,
      text.replace(new RegExp(what, 'gm'), () => by),
    )
  }

  // What only root may use, and may be in use.
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${name}-temp;`)
  replace(file, /^http \{$/, `http {\n  ${scratch.join(' ')}`, 1)
  replace('convene/main.conf', /^pid \/run\/nginx\.pid;$/, 'pid nginx.pid;', 1)
  replace('convene/main.conf', /\/var\/log\/nginx\//, 'logs/', 1)
  replace('convene/http.conf', /\/var\/log\/nginx\//, 'logs/', 2)
  replace('convene/locations.conf', /\/var\/log\/nginx\//, 'logs/', 1)

  const server = (at: number | string) => `server 127.0.0.1:${at} max_fails=3 fail_timeout=5s;`
  const shipped = ['3001', '3002', '3003'].map((at) => server(at).replaceAll('.', '\\.')).join('\n')
  replace('convene/nodes.conf', new RegExp(`^${shipped}$`), ports.map(server).join('\n'), 1)

  const tls = file === 'nginx-tls.conf'
  if (tls) replace(file, /^ {4}listen 443 ssl;$/, `    listen 127.0.0.1:${port} ssl;`, 1)
  replace(file, /^ {4}listen 80;$/, `    listen 127.0.0.1:${tls ? plainPort : port};`, 1)
}
