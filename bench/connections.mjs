// What does a connection cost, and how long until 2,000 are in?
// Answer: 1,775 µs CPU (×1.71 of plain Socket.IO), 3.59 s.
//
// A connection is: TCP, the WebSocket upgrade, the Socket.IO handshake with a JWT, and one join of a channel, answered.
// 64 are under way at a time; 100 channels. Convene also joins everybody to a channel of their own, tells the other
// members of a channel who came and answers the join with who is there; the baseline does nothing of this.
import { figure, inWords, ratio } from './figures.mjs'
import { load } from './load.mjs'
import { undisturbed } from './refused.mjs'
import { SERVERS, startServer } from './servers.mjs'

const CONNECTIONS = 2000
const CHANNELS = 100

export async function measure({ rounds, progress }) {
  const cpu = figure('CPU a connection', 'µs', 0, { less: true })
  const time = figure(`until ${CONNECTIONS.toLocaleString('en-US')} are in`, 's', 2, { less: true })
  for (let round = 1; round <= rounds; round++) {
    for (const name of SERVERS) {
      const run = await undisturbed(() => connect(name))
      cpu[name].push((run.serverCpuSeconds * 1e6) / CONNECTIONS)
      time[name].push(run.seconds)
      progress(`round ${round}, ${name}: ${CONNECTIONS} in after ${run.seconds} s`, run)
    }
  }
  return {
    figures: [cpu, time],
    answer: `${inWords(cpu, 'convene')} CPU (×${ratio(cpu)} of plain Socket.IO), ${inWords(time, 'convene')}`,
  }
}

async function connect(name) {
  const server = await startServer(name)
  const { connected, end } = load(server, { connections: CONNECTIONS, channels: CHANNELS, args: ['-hold'] })
  try {
    return await connected
  } finally {
    await end()
    await server.stop()
  }
}
