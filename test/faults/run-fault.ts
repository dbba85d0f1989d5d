import { cleanup } from '../support/cleanup.ts'
import { check } from './checker.ts'
import type { VirtualMember } from './client.ts'
import type { Cluster } from './cluster.ts'
import { Crowd, type CrowdOptions } from './crowd.ts'
import type { HealthFinding, Violation } from './evidence.ts'
import type { Fault } from './fault.ts'
import { Load } from './load.ts'
import { Random } from './random.ts'
import { acknowledgedByNode, acknowledgements, countOperations, delaysBetweenNodes, headsOf } from './reading.ts'
import { expectSaying, footprints, memoryOf } from './surroundings.ts'

const GATHERS_WITHIN_MS = 30_000
const CONVERGES_WITHIN_MS = 30_000
const SAYS_WITHIN_MS = 10_000
const AFTERWARDS_MS = 500

export interface RunOptions {
  readonly seed: number
  /** Connections, and facts a second of all of them together. */
  readonly size?: number
  readonly perSecond?: number
  /** How long everybody may take until they have everything, once nobody publishes. */
  readonly convergesWithinMs?: number
}

/** What became of a run. */
export interface Outcome {
  readonly fault: Fault
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly operations: number
  readonly acknowledged: number
  /** Operations that once were not answered. */
  readonly unclear: number
  /** Acknowledged while the fault lasted, by node. */
  readonly meanwhile: ReadonlyMap<string, number>
  /** From the acknowledgement to the members on other nodes, of facts acknowledged while it lasted; ms, ascending. */
  readonly delaysMs: readonly number[]
  /** How often somebody came back. */
  readonly returns: number
  /** From the heal until everybody was back and had what had been stored by then. */
  readonly recoveryMs: number | undefined
  readonly health: readonly HealthFinding[]
}

/** Lets a fault happen to a cluster under load, takes it back, waits until all is quiet, and checks. */
export async function runFault(cluster: Cluster, fault: Fault, options: RunOptions): Promise<Outcome> {
  const { seed, size = 12, perSecond = 100, convergesWithinMs = CONVERGES_WITHIN_MS } = options
  const random = new Random(seed)
  await cluster.mend()
  const livesBefore = new Map(cluster.nodes.map((node) => [node, node.lives.length - 1]))
  const memoryBefore = memoryOf(cluster)
  const crowd = await gather({ url: cluster.url, size, twice: fault.sendsTwice ?? false })
  const { history } = crowd

  // One of them is shut out in the middle of it, and reads on if they can.
  const outcast = random.pick(crowd.members)
  const members = crowd.members.filter(({ userId }) => userId !== outcast.userId)
  const acknowledged = fault.sendsTwice ? sendAgain(crowd, random) : undefined
  const name = `${fault.id}-${seed}`
  const load = new Load({ members, perSecond, random, name, ...(acknowledged && { acknowledged }) })
  load.start()
  cleanup(() => {
    crowd.close()
    return load.stop()
  })
  await until(() => acknowledgements(history.entries).length > members.length)

  const from = performance.now()
  const injected = await fault.inject({ cluster, crowd, random })
  const shut = shutOut(cluster, outcast)
  const health = injected.says ? await expectSaying(injected.says, SAYS_WITHIN_MS) : []
  await pause(Math.max(0, fault.lastsMs - (performance.now() - from)))
  const to = performance.now()
  // Quiet, because what a node publishes itself shows it what it has missed.
  if (fault.isSeenThrough || fault.endsQuiet) await load.stop()
  const stored = headsOf(acknowledgements(history.entries))
  const unseen = fault.isSeenThrough && (await crowd.reaches(stored, convergesWithinMs)) === undefined
  await injected.heal()
  const recoveryMs = await crowd.reaches(stored, convergesWithinMs)
  const well = { status: 200, says: /^ok redis=ok$/ }
  if (injected.says) health.push(...(await expectSaying({ ...injected.says, ...well }, SAYS_WITHIN_MS)))
  await shut
  if (!fault.endsQuiet) {
    load.start()
    await pause(AFTERWARDS_MS)
    await load.stop()
  }
  await crowd.reaches(headsOf(await cluster.log(crowd.channels)), convergesWithinMs)
  const present = crowd.channels.flatMap((channel) => crowd.in(channel).map(({ client }) => ({ client, channel })))
  const log = await cluster.log(crowd.channels)
  const seen = history.entries.splice(0)
  crowd.close()
  const processes = cluster.nodes.flatMap((node) => node.lives.slice(livesBefore.get(node)))
  const evidence = { history: seen, log, present, processes, health, footprints: footprints(cluster, memoryBefore) }
  const violations = check(evidence)
  const what = `while ${fault.title}, not everybody saw within ${convergesWithinMs} ms what had been acknowledged`
  return {
    fault,
    seed,
    violations: unseen ? [{ invariant: 'I1', damage: 'lost', what }, ...violations] : violations,
    operations: countOperations(seen, 'invoke'),
    acknowledged: countOperations(seen, 'ok'),
    unclear: countOperations(seen, 'info'),
    meanwhile: acknowledgedByNode(seen, { from, to }),
    delaysMs: delaysBetweenNodes(seen, { from, to }),
    returns: seen.filter((entry) => entry.kind === 'joined' && entry.since !== undefined).length,
    recoveryMs,
    health,
  }
}

/** A crowd whose channels are on several nodes each: for a while nginx sends nobody to a node that was down. */
async function gather(options: CrowdOptions): Promise<Crowd> {
  const deadline = performance.now() + GATHERS_WITHIN_MS
  for (;;) {
    const crowd = new Crowd(options)
    cleanup(() => crowd.close())
    const isThere = (await crowd.reaches(new Map(), GATHERS_WITHIN_MS)) !== undefined
    if (isThere && crowd.isSpread) return crowd
    crowd.close()
    if (performance.now() > deadline) throw new Error(isThere ? 'all are on one node' : 'not everybody came in')
    await pause(1000)
  }
}

/** [FACT3] Removes somebody from all their channels, whatever it takes. */
async function shutOut(cluster: Cluster, { userId, channels }: VirtualMember): Promise<void> {
  for (const channel of channels) {
    const path = `/api/v1/channels/${channel}/members/${userId}`
    const isDone = () =>
      cluster.api('PUT', path, { role: 'none' }).then(
        ({ ok }) => ok,
        () => false,
      )
    while (!(await isDone())) await pause(200)
  }
}

/** Sends each fact again, by another connection of its author. */
function sendAgain(crowd: Crowd, random: Random) {
  return async (author: VirtualMember, channel: string, operationId: string, payload: object): Promise<void> => {
    const others = crowd.members.filter((member) => member.userId === author.userId && member !== author)
    await Promise.all(others.map((other) => other.publish(channel, operationId, payload)))
    if (random.next() < 0.1) author.drop()
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(20)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
