// The main job in one run: two programs on the stock socket.io-client and one curl in one project, and a server that is
// killed with kill -9 in the middle of 10,000 facts.   npm run build && node demo/crash.mjs
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const FACTS = 10_000
const channel = 'project:p1'
const cli = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'convene-crash-'))
const env = {
  ...process.env,
  DATABASE_URL: `sqlite:${folder}/convene.db`,
  PORT: '0',
  RATE_FACTS_PER_SECOND: '100000',
  MAX_CATCH_UP: String(FACTS),
}

async function serve() {
  const server = fork(cli, ['serve'], { env, silent: true })
  for await (const chunk of server.stdout.setEncoding('utf8')) {
    const port = /http:\/\/localhost:(\d+)/.exec(chunk)?.[1]
    if (!port) continue
    env.PORT = port
    server.stdout.resume()
    return server
  }
  throw new Error('the server did not start')
}

const run = promisify(execFile)
let server = await serve()
const url = `http://localhost:${env.PORT}`
console.log(`server ${server.pid} listens on ${url}`)

const members = []
for (const name of ['ann', 'ben']) {
  const token = (await run(process.execPath, [cli, 'token', name], { env })).stdout.trim()
  const member = fork(fileURLToPath(new URL('member.mjs', import.meta.url)), [
    url,
    token,
    channel,
    name,
    FACTS / 2,
    FACTS + 2,
  ])
  members.push(member)
}

/** One fact from the app's own server, as curl sends it. */
async function broadcast(title, operationId) {
  const body = JSON.stringify({ type: 'task:update', projectId: 'p1', payload: { title }, operationId })
  const { stdout } = await run('curl', [
    '-sS',
    '-X',
    'POST',
    `${url}/broadcast`,
    '-H',
    'Content-Type: application/json',
    '-d',
    body,
  ])
  console.log(`curl: ${stdout}`)
  return JSON.parse(stdout)
}

async function health() {
  return (await fetch(`${url}/health`)).json()
}

while ((await health()).clients < 2) await new Promise((resolve) => setTimeout(resolve, 50))
await new Promise((resolve) => setTimeout(resolve, 300))
await broadcast('The plan is approved', 'plan-approved')
for (const member of members) member.send('go')

let head = 0
while (head < FACTS * 0.4) {
  const response = await fetch(`${url}/api/v1/channels/${channel}/events?limit=1`)
  head = (await response.json()).head
}
server.kill('SIGKILL')
await once(server, 'exit')
console.log(`server ${server.pid} killed with kill -9 at about #${head}`)
server = await serve()
console.log(`server ${server.pid} started again`)
await broadcast('The server is back', 'server-back')

const codes = await Promise.all(members.map(async (member) => (await once(member, 'exit'))[0]))
server.kill('SIGTERM')
const [code] = await once(server, 'exit')
console.log(`server ${server.pid} stopped with exit code ${code}`)
rmSync(folder, { recursive: true })
process.exitCode = codes.every((one) => one === 0) ? code : 1
