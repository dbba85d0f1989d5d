// One member of a project, on the stock socket.io-client: what an app has to do to lose nothing.
//   node demo/member.mjs <url> <token> <channel> <name> <facts to publish> <facts to expect>
import { createHash } from 'node:crypto'
import { io } from 'socket.io-client'

const [url, token, channel, name, publish, expect] = process.argv.slice(2)
const socket = io(url, {
  transports: ['websocket'],
  auth: { token },
  // All come back together: nobody misses more than one catch-up brings, while the others go on at full speed.
  reconnectionDelay: 50,
  reconnectionDelayMax: 50,
  randomizationFactor: 0,
})

let position // the place in the channel's log up to which this member has seen everything
let wrong = 0 // facts that came twice or out of order: there must be none
let reconnects = -1
const log = createHash('sha256')

function take(fact) {
  if (fact.seq !== position.seq + 1) wrong++
  position = { epoch: fact.epoch, seq: fact.seq }
  log.update(`${fact.seq} ${fact.operationId}\n`)
  if (fact.user === null)
    console.log(`${name} sees #${fact.seq} ${fact.type} from the app's server: ${fact.payload.title}`)
  if (fact.seq === Number(expect)) finish()
}

// Join on every connect, telling the place reached; the reply brings exactly what was missed.
socket.on('connect', async () => {
  reconnects++
  const reply = await socket.emitWithAck('channel:join', { channel, echo: true, since: position })
  if (!reply.ok || (position && !reply.recovered)) throw new Error(JSON.stringify(reply))
  position ??= { epoch: reply.epoch, seq: reply.head }
  reply.events.forEach(take)
  if (reconnects === 0) console.log(`${name} joined ${channel}`)
})
socket.onAny((_event, fact) => fact?.epoch && fact.channel === channel && take(fact))

// Publish each fact until it is acknowledged, always with the same operationId: however often it is sent, it is stored once.
let acknowledged = 0
async function keepPublishing(first, step) {
  for (let i = first; i < Number(publish); i += step) {
    const fact = { channel, operationId: `${name}-${i}`, payload: { title: `${name}'s change ${i}` } }
    while (!(await tryPublish(fact))) await new Promise((resolve) => setTimeout(resolve, 50))
    acknowledged++
  }
}

async function tryPublish(fact) {
  if (!socket.connected) return false
  const reply = await socket
    .timeout(2000)
    .emitWithAck('task:update', fact)
    .catch(() => undefined)
  return reply?.ok
}

// 16 at a time, to have some in flight when the server dies.
process.once('message', () => Array.from({ length: 16 }, (_, i) => keepPublishing(i, 16)))

function finish() {
  if (acknowledged < Number(publish)) return setTimeout(finish, 20)
  console.log(
    `${name}: ${position.seq} facts, ${wrong} twice or out of order; ${acknowledged} of ${publish} own acknowledged; ` +
      `reconnected ${reconnects} time(s); log ${log.digest('hex').slice(0, 12)}`,
  )
  socket.close()
  process.disconnect?.()
  if (wrong > 0) process.exitCode = 1
}
