// How many facts a second does one node store and acknowledge?
// Answer: 19,967 a second at 47.7 µs CPU (×2.59 of plain Socket.IO, which stores nothing).
//
// 100 writers, each alone in a channel of its own, so that there is nobody to deliver to. Convene answers when the fact is
// in SQLite (a file, WAL, synchronous normal); the baseline answers at once and stores nothing. First at full load, eight
// facts in flight a writer, which shares commits among many facts; then at 2,000 facts a second, one after the other.
//
// What is counted are replies, not broadcasts. A reply begins with 43 (`431[{"ok":true,…`) and everything else does not
// count: a fact delivered to its own author would begin with 42 and be a "stray". The operationId of each fact is the time
// it was sent, the reply brings it back, and a writer knows which it still waits for: a second reply to the same fact is
// "unknown". Credit and latency are those of the reply. A run with a stray, an unknown, a duplicate, a refusal or a fact
// without an answer is not reported, nor one whose acknowledged operationIds are not the rows in SQLite, by number and by
// the exclusive or of them all.
import Database from 'libsql'
import { figure, inWords, ratio } from './figures.mjs'
import { load } from './load.mjs'
import { Disturbed, Refused, undisturbed } from './refused.mjs'
import { SERVERS, startServer } from './servers.mjs'

const WRITERS = 100
const IN_FLIGHT = 8
const MODERATE_RATE = 2000
const SECONDS = 4
const WARM_UP_SECONDS = 1.5
const FACT =
  '421["task:update",{"channel":"project:p{room}","operationId":"{t}","payload":{"id":"task-{i}","title":"A title of the usual length","status":"in progress","position":{n}}}]'

export async function measure({ rounds, progress }) {
  const rate = figure('full load: acknowledged facts', 'a second', 0, { less: false })
  const full = replies('full load')
  const moderate = replies(`${MODERATE_RATE.toLocaleString('en-US')} a second`)
  for (let round = 1; round <= rounds; round++) {
    for (const name of SERVERS) {
      const run = await undisturbed(() => publish(name, ['-w', IN_FLIGHT]))
      progress(`round ${round}, full load, ${name}: ${Math.round(run.answered / run.seconds)} facts/s`, run)
      rate[name].push(run.answered / run.seconds)
      note(full, name, run)
    }
    for (const name of SERVERS) {
      const run = await undisturbed(() => publish(name, ['-rate', MODERATE_RATE]))
      progress(`round ${round}, ${MODERATE_RATE} facts/s, ${name}: p50 ${run.p50Ms} ms, p99 ${run.p99Ms} ms`, run)
      note(moderate, name, run)
    }
  }
  return {
    figures: [rate, ...Object.values(full), ...Object.values(moderate)],
    answer: `${inWords(rate, 'convene')} at ${inWords(full.cpu, 'convene')} CPU (×${ratio(full.cpu)} of plain Socket.IO, which stores nothing)`,
  }
}

function replies(load) {
  return {
    cpu: figure(`${load}: CPU an acknowledged fact`, 'µs', 1, { less: true }),
    p50: figure(`${load}: reply, median`, 'ms', 2, { less: true }),
    p99: figure(`${load}: reply, 99th percentile`, 'ms', 2, { less: true }),
  }
}

function note(into, name, { serverCpuSeconds, answered, p50Ms, p99Ms }) {
  into.cpu[name].push((serverCpuSeconds * 1e6) / answered)
  into.p50[name].push(p50Ms)
  into.p99[name].push(p99Ms)
}

/** One fresh server, written to. What it acknowledged is looked up after it closed. */
async function publish(name, how) {
  const server = await startServer(name)
  const times = ['-s', SECONDS, '-warm', WARM_UP_SECONDS]
  const args = ['-pub', FACT, '-obs', '"operationId":"', '-only', '43', ...times, ...how]
  const { published, end } = load(server, { connections: WRITERS, channels: WRITERS, args })
  let run
  try {
    run = await published
  } finally {
    await end()
    await server.stop()
  }
  for (const wrong of ['stray', 'unknown', 'duplicate', 'refused', 'outstanding']) {
    if (run[wrong] > 0) throw new Refused(`${name}: ${run[wrong]} ${wrong} of ${run.allPublished} facts`)
  }
  if (run.allAnswered !== run.allPublished) throw new Refused(`${name}: not every fact was answered`)
  if (name === 'convene') verifyStored(server.file, run)
  const wanted = how[0] === '-rate' ? how[1] : 0
  if (run.answered / run.seconds < wanted * 0.98) throw new Disturbed(`${name} did not keep up with ${wanted} facts/s`)
  return run
}

/** @throws Refused when what was acknowledged is not what is stored */
function verifyStored(file, { allAnswered, idsXor }) {
  const database = new Database(file, { readonly: true })
  const ids = database.prepare("select operation_id from events where type = 'task:update'").pluck().all()
  database.close()
  const xor = ids.reduce((sum, id) => sum ^ BigInt(id), 0n)
  if (ids.length !== allAnswered || String(xor) !== idsXor) {
    throw new Refused(`${allAnswered} facts were acknowledged and ${ids.length} are stored, or not the same ones`)
  }
}
