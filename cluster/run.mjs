// A whole cluster on this computer, until Ctrl-C:   npm run cluster   or   PORT=8080 npm run cluster
import { developmentSecret } from '../dist/server/development-secret.js'
import { startCluster } from './start.mjs'

const PORT = 3000

const say = (line) => process.stdout.write(`${line}\n`)
let cluster
let stopping = false

async function stop() {
  if (stopping) return
  stopping = true
  say('Stopping the cluster')
  await (await starting)?.stop()
  say('The cluster has stopped; nothing of it is left')
}

async function start() {
  const given = process.env.PORT?.trim() || String(PORT)
  const port = Number(given)
  if (!/^\d{1,5}$/.test(given) || port > 65_535) throw new Error('PORT is no port: give a number from 0 to 65535')
  // As `npm start` in this folder, so that `npx convene tail` and `token` know it.
  const secret = process.env.JWT_SECRET || developmentSecret('./data/convene.db')
  say('Starting Redis, Postgres, three nodes and nginx')
  cluster = await startCluster({ port, secret, say, isStopping: () => stopping })
  return cluster
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void stop())
// Whoever read it is gone, its terminal perhaps: there is nobody to run for.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => void stop())
const starting = start().catch((error) => {
  if (stopping) return
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
await starting
if (cluster && !stopping) {
  const url = `http://localhost:${cluster.parts.at(-1).port}`
  const rows = cluster.parts.map(
    ({ name, port, pid }) => `  ${name.padEnd(9)} port ${String(port).padEnd(6)} process ${pid}`,
  )
  say(`
The cluster is listening on ${url}

${rows.join('\n')}
  data      ${cluster.folder}, removed when this stops

  Open these in two windows, which come to two nodes:
    ${url}/?as=ann
    ${url}/?as=ben
  Kill a node with kill -9 and its process: nothing is lost, and it is started again.
  Ctrl-C stops everything.
`)
}
