// The configuration of nginx that ships, for a cluster that this computer alone reaches.
import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const SHIPPED = fileURLToPath(new URL('../nginx', import.meta.url))
const SCRATCH = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

/**
 * Copies it to a folder, for the program `nginx`. Without stickiness, for all clients have one address here, and would be at one node.
 * @returns the file to start nginx with
 * @throws Error when what is to be changed is not found
 */
export function writeNginxFolder(folder, nginx, port, nodePorts) {
  cpSync(SHIPPED, folder, { recursive: true })
  const change = (name, changes) => {
    const file = join(folder, name)
    let text = readFileSync(file, 'utf8')
    for (const [what, by] of changes) {
      if (!what.test(text)) throw new Error(`nginx/${name} has no ${what}`)
      text = text.replace(what, by)
    }
    writeFileSync(file, text)
    return file
  }
  change('convene/main.conf', [
    [/^pid .*$/m, 'pid nginx.pid;'],
    [/^error_log .*$/m, 'error_log stderr notice;'],
    [/worker_processes auto;/, 'worker_processes 1;'],
    [/worker_rlimit_nofile.*/, ''],
    [/worker_connections \d+;/, 'worker_connections 512;'],
    [/worker_shutdown_timeout .*/, 'worker_shutdown_timeout 1s;'],
  ])
  change('convene/http.conf', [
    [/^access_log .*$/m, 'access_log off;'],
    [/^error_log .*$/m, 'error_log stderr crit;'],
    // Whoever comes through it is on this computer, as whoever comes to a server in development; the demo is for them alone.
    [/For \$remote_addr;/, "For '';"],
  ])
  change('convene/locations.conf', [[/error_log .*/, 'error_log stderr emerg;']])
  // Where it writes by itself only root may. Smaller ones are built without some of these modules, and know no word of them.
  const built = spawnSync(nginx, ['-V'], { encoding: 'utf8' }).stderr
  const scratch = SCRATCH.filter((name) => !built.includes(`--without-http_${name}_module`)).map(
    (name) => `  ${name}_temp_path ${name};`,
  )
  const servers = nodePorts.map((at) => `server 127.0.0.1:${at} max_fails=3 fail_timeout=1s;`)
  change('convene/nodes.conf', [[/(^server .*\n)+/m, `${servers.join('\n')}\n`]])
  return change('nginx-websocket.conf', [
    [/^http \{$/m, `http {\n${scratch.join('\n')}`],
    [/listen 80;/, `listen 127.0.0.1:${port};`],
  ])
}
