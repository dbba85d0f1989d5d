// Figures of many nodes for docs/operations.md: `npm run faults -- --figures`. Not a test of the suite.
import { test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { connect } from '../support/connect.ts'
import { type Cluster, startCluster, startServices } from './cluster.ts'
import { Crowd } from './crowd.ts'
import { Load } from './load.ts'
import { Random } from './random.ts'
import { acknowledgements, delaysBetweenNodes, headsOf, percentile } from './reading.ts'
import { lines, ms } from './table.ts'

const { FAULTS_SEED = '1', FAULTS_MINUTES = '1' } = process.env
const random = new Random(Number(FAULTS_SEED))
const MEASURED_MS = 10_000 * Number(FAULTS_MINUTES)
const ROUNDS = 5
const REVOKED = 20
const BACK_WITHIN_MS = 60_000

test('figures', async () => {
  const services = await startServices()
  const cluster = await startCluster({
    services,
    env: { RATE_FACTS_PER_SECOND: '1000', RATE_CONNECTIONS_PER_MINUTE: '1000000' },
  })
  const rows = [['', 'p50', 'p99', 'most', 'n']]
  const row = (what: string, numbers: readonly number[]) => {
    const ascending = numbers.toSorted((a, b) => a - b)
    const figures = [percentile(ascending, 50), percentile(ascending, 99), ascending.at(-1)].map(ms)
    rows.push([what, ...figures, String(ascending.length)])
    process.stdout.write(`${what}: ${figures.join(' / ')} ms\n`)
  }
  row('delivery to another node, 100 facts a second, ms', await delivered(cluster, 100))
  row('the same, 5 facts a second', await delivered(cluster, 5))
  row('from revoking to the session closed on another node, ms', await revoked(cluster, 'with'))
  await services.redis.kill9()
  await said(cluster, 'degraded redis=degraded')
  row('delivery to another node without Redis, 100 facts a second, ms', await delivered(cluster, 100))
  row('the same, 5 facts a second', await delivered(cluster, 5))
  row('from revoking to the session closed on another node without Redis, ms', await revoked(cluster, 'without'))
  await services.redis.restart()
  for (const size of [30, 300]) {
    const back: number[] = []
    for (let round = 0; round < ROUNDS; round++) back.push(...(await returned(cluster, size)))
    row(`from a node's kill -9 to each of its clients back and caught up, ${size} clients on three nodes, ms`, back)
  }
  process.stdout.write(`\n${lines(rows)}\n`)
})

/** What each fact takes to the members on other nodes. */
async function delivered(cluster: Cluster, perSecond: number): Promise<number[]> {
  const crowd = await gather(cluster, 24)
  const load = new Load({ members: crowd.members, perSecond, random, name: 'figures' })
  const from = performance.now()
  load.start()
  await pause(MEASURED_MS)
  await load.stop()
  const to = performance.now()
  await crowd.reaches(headsOf(acknowledgements(crowd.history.entries)), BACK_WITHIN_MS)
  crowd.close()
  return delaysBetweenNodes(crowd.history.entries, { from, to })
}

/** Each session is on one node, and its person is revoked on another. */
async function revoked(cluster: Cluster, name: string): Promise<number[]> {
  const [here, there] = cluster.nodes
  if (!here || !there) throw new Error('expected two nodes')
  const took: number[] = []
  for (let n = 0; n < REVOKED; n++) {
    const userId = `revoked-${name}-${n}`
    const client = await connect({ url: there.url }, userId)
    const closed = new Promise((resolve) => client.socket.once('disconnect', resolve))
    const from = performance.now()
    const answer = await fetch(`${here.url}/api/v1/users/${userId}/revoke`, {
      method: 'POST',
      headers: { 'x-api-key': cluster.key, 'content-type': 'application/json' },
      body: '{}',
    })
    if (!answer.ok) throw new Error(`revoking was answered with ${answer.status}`)
    await closed
    took.push(performance.now() - from)
  }
  return took
}

/** Stock clients under load lose their node: when is each of them back in its channels, with all that was stored by then? */
async function returned(cluster: Cluster, size: number): Promise<number[]> {
  await cluster.mend()
  const crowd = await gather(cluster, size, 1000)
  const load = new Load({ members: crowd.members, perSecond: 3000 / size, random, name: 'figures' })
  load.start()
  await pause(1000)
  const node = random.pick(cluster.nodes)
  const theirs = new Set(crowd.members.filter((member) => member.node === node.id).map(({ client }) => client))
  const from = performance.now()
  await node.end('SIGKILL')
  await pause(BACK_WITHIN_MS / 10)
  await load.stop()
  await crowd.reaches(headsOf(acknowledgements(crowd.history.entries)), BACK_WITHIN_MS)
  crowd.close()
  const back = new Map<string, Map<string, number>>()
  for (const { kind, client, channel, at } of crowd.history.entries) {
    // What it was given comes right after the reply.
    if (kind !== 'joined' || at < from || !theirs.has(client)) continue
    const channels = back.get(client) ?? new Map<string, number>()
    back.set(client, channels)
    if (!channels.has(channel)) channels.set(channel, at - from)
  }
  return Array.from(back.values(), (channels) => Math.max(...channels.values()))
}

async function gather(cluster: Cluster, size: number, patienceMs = 50): Promise<Crowd> {
  for (;;) {
    const crowd = new Crowd({ url: cluster.url, size, patienceMs })
    cleanup(() => crowd.close())
    await crowd.reaches(new Map(), BACK_WITHIN_MS)
    const nodes = new Set(crowd.members.map(({ node }) => node))
    if (crowd.isSpread && nodes.size === cluster.nodes.length) return crowd
    crowd.close()
    await pause(1000)
  }
}

async function said(cluster: Cluster, what: string): Promise<void> {
  for (const node of cluster.nodes) while ((await node.readiness()).says !== what) await pause(50)
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs))
}
