// How much memory does an idle connection take?
// Answer: 26.6 KB (×1.80 of plain Socket.IO).
//
// Resident memory of the process with 5,000 sessions in 100 channels, less what it was before the first, shared among the
// 5,000: so what the program needs once it has connections at all is in it. It is read after some seconds of rest, in which
// V8 gives back what the handshakes left; both servers rest at the same time, each with its own sessions.
import { setTimeout as sleep } from 'node:timers/promises'
import { figure, inWords, ratio } from './figures.mjs'
import { load } from './load.mjs'
import { residentBytes } from './machine.mjs'
import { Disturbed } from './refused.mjs'
import { SERVERS, startServer } from './servers.mjs'

const SESSIONS = 5000
const CHANNELS = 100
const REST_BEFORE_MS = 1000
const REST_MS = 12_000

export async function measure({ rounds, progress }) {
  const memory = figure('memory an idle connection', 'KB', 1, { less: true })
  for (let round = 1; round <= rounds; round++) {
    const filled = []
    for (const name of SERVERS) filled.push(await fill(name))
    await sleep(REST_MS)
    for (const { server, before, end } of filled) {
      const bytes = (residentBytes(server.pid) - before) / SESSIONS
      memory[server.name].push(bytes / 1000)
      await end()
      await server.stop()
      progress(`round ${round}, ${server.name}: ${(bytes / 1000).toFixed(1)} KB a connection`)
    }
  }
  return {
    figures: [memory],
    answer: `${inWords(memory, 'convene')} (×${ratio(memory)} of plain Socket.IO)`,
  }
}

async function fill(name) {
  const server = await startServer(name)
  await sleep(REST_BEFORE_MS)
  const before = residentBytes(server.pid)
  const { connected, end } = load(server, { connections: SESSIONS, channels: CHANNELS, args: ['-hold'] })
  await connected.catch((error) => {
    // How fast they came is not what is measured here.
    if (!(error instanceof Disturbed)) throw error
  })
  return { server, before, end }
}
