import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { KEY } from '../support/api.ts'
import { openBoard } from '../support/board.ts'
import { connect, expectReply, join, type Reached } from '../support/connect.ts'
import { as, type Frame, openPlain, type Plain } from '../support/plain.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'

/** A task that somebody was told of: by which name, and which one. */
interface Seen {
  readonly name: unknown
  readonly id: unknown
  readonly seq: number
}

/** What a client on a plain WebSocket was told of tasks. */
function seenBy(plain: Plain): Seen[] {
  return plain.received.flatMap(({ type, payload, seq }) =>
    type?.startsWith('TASK_') ? [{ name: type, id: payload?.id, seq: seq as number }] : [],
  )
}

async function curl(server: Reached, body: object): Promise<unknown> {
  const { stdout } = await promisify(execFile)('curl', [
    ...['-s', '-X', 'POST', `${server.url}/k/${KEY}/broadcast`],
    ...['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)],
  ])
  return JSON.parse(stdout)
}

/** One client of each family and a canonical one, all in one project. */
async function everybody(server: Reached) {
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const bea = await openBoard(server, 'bea')
  await bea.join('p1')
  const tom = await openPlain(server, `/ws${as('tom')}`)
  tom.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
  await tom.expect('USER_PRESENCE')
  const cora = await openPlain(server, `/api/community/ws${as('cora')}`)
  cora.say({ type: 'SUBSCRIBE', payload: { projectId: 'p1', since: null } })
  await cora.expect('SUBSCRIBED')
  const dan = await openPlain(server, `/api/realtime${as('dan')}&projectId=p1`)
  await dan.expect('CONNECT')
  const tasksOf = {
    ann: () =>
      ann.received.flatMap(({ event, body }): Seen[] => {
        const { payload, seq } = body as Envelope
        return event.startsWith('task:') ? [{ name: event, id: payload.id, seq }] : []
      }),
    bea: () =>
      bea.client.received.flatMap(({ event, body }): Seen[] => {
        const { id, seq } = body as { id: unknown; seq: number }
        return event.startsWith('task:') ? [{ name: event, id, seq }] : []
      }),
    tom: () => seenBy(tom),
    cora: () => seenBy(cora),
    dan: () => seenBy(dan),
  }
  return { ann, bea, tom, cora, dan, tasksOf }
}

test('[D1][D2] one client of each family, a canonical one and curl see the tasks of each other in one order', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const { ann, bea, tom, cora, dan, tasksOf } = await everybody(server)

  const authors = ['ann', 'bea', 'tom', 'cora', 'dan', 'curl'] as const
  const task = (by: string) => ({ id: `of ${by}`, title: `Written by ${by}` })
  await expectReply(ann, 'task:create', { channel, payload: task('ann') })
  bea.say('task:create', { projectId: 'p1', task: task('bea') })
  tom.say({ type: 'TASK_CREATE', projectId: 'p1', payload: task('tom'), operationId: 'op-1' })
  cora.say({ type: 'TASK_CREATE', payload: { projectId: 'p1', ...task('cora') } })
  dan.say({ type: 'TASK_CREATE', id: 'msg-1', timestamp: new Date(), userId: 'dan', payload: task('dan') })
  expect(await curl(server, { type: 'TASK_CREATE', projectId: 'p1', payload: task('curl') })).toMatchObject({
    success: true,
    clientCount: 5,
  })

  const seqs = new Map<unknown, number>()
  for (const [who, tasks] of Object.entries(tasksOf)) {
    // Whoever said it on a socket is not told again; each other one once.
    const others = authors.filter((author) => author !== who).map((author) => `of ${author}`)
    await until(`${who} has seen ${others.length} tasks`, () => tasks().length >= others.length)
    const seen = tasks()
    expect(seen.map(({ id }) => id).sort(), who).toEqual([...others].sort())
    const name = who === 'ann' || who === 'bea' ? 'task:create' : 'TASK_CREATE'
    expect(new Set(seen.map((one) => one.name)), who).toEqual(new Set([name]))
    const order = seen.map(({ seq }) => seq)
    expect(order, who).toEqual([...order].sort((a, b) => a - b))
    for (const { id, seq } of seen) expect(seqs.get(id) ?? seq, `${who}: ${id}`).toBe(seq)
    for (const { id, seq } of seen) seqs.set(id, seq)
  }
  expect([...seqs.values()].sort()).toEqual([1, 2, 3, 4, 5, 6])
})

test('[D1] a change of status is told in each family\u2019s words', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const { ann, bea, tom, cora, dan } = await everybody(server)

  bea.say('task:move', { projectId: 'p1', taskId: 't1', status: 'UNDER_REVIEW' })
  expect(await tom.expect('TASK_UPDATE')).toMatchObject({
    payload: { id: 't1', projectId: 'p1', changes: { status: 'IN_REVIEW' } },
  })
  for (const plain of [cora, dan]) {
    expect((await plain.expect('TASK_MOVE')).payload).toEqual({ taskId: 't1', status: 'UNDER_REVIEW' })
  }

  const changes = { status: 'IN_REVIEW' }
  tom.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { id: 't2', projectId: 'p1', changes } })
  await until('bea and ann know', () =>
    [bea.client, ann].every(({ received }) => received.some(({ event }) => event === 'task:update')),
  )
  expect(bea.client.received.find(({ event }) => event === 'task:update')?.body).toMatchObject({
    id: 't2',
    status: 'UNDER_REVIEW',
  })
  expect(ann.received.find(({ event }) => event === 'task:update')?.body).toMatchObject({
    payload: { id: 't2', projectId: 'p1', changes },
    user: { id: 'tom' },
  })
})

test('[REQ4] what no family has a form for ends nobody: each is told of it, and of what comes after', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const { bea, tom, cora, dan } = await everybody(server)
  for (const payload of [{ type: { toString: 1 } }, { type: [{ toString: null }], payload: 1 }, { type: 7 }, {}]) {
    await server.server.publish(channel, { type: 'event:other', payload })
  }
  await server.server.publish(channel, { type: 'event:other', payload: { type: 'LAST_WORD', payload: 'over' } })
  for (const plain of [tom, cora, dan]) {
    expect(await plain.expect('LAST_WORD')).toMatchObject({ payload: 'over', seq: 5 })
    expect(plain.received.filter(({ type }) => type === 'EVENT_OTHER').map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
  }
  await until('bea was told', () => bea.client.received.some(({ event }) => event === 'last:word'))
  expect(bea.client.received.filter(({ event }) => event === 'event:other')).toHaveLength(4)
})

test('[D7] a plain client that comes back with its position loses nothing, one that does not is told only what is live', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const path = `/ws${as('tom')}`
  const seen: number[] = []
  let position: { epoch: string; seq: number } | undefined

  /** Comes, says where it was, and listens until it has been told of so many more; then it is lost. */
  async function visit(more: number): Promise<void> {
    const plain = await openPlain(server, path)
    plain.say({ type: 'JOIN_PROJECT', projectId: 'p1', ...(position && { since: position }) })
    const upTo = (position?.seq ?? 0) + more
    const own = await plain.expect('USER_PRESENCE')
    if (position) expect(own).toMatchObject({ recovered: true })
    await until(`seq ${upTo} has come`, () => plain.received.some(({ seq, type }) => type === 'TEST' && seq === upTo))
    const facts = plain.received.filter(({ type }) => type === 'TEST')
    seen.push(...facts.map(({ payload }) => payload?.n as number))
    const last = facts.at(-1) as Frame
    position = { epoch: String(last.epoch), seq: Number(last.seq) }
    plain.ws.terminate()
  }

  const FACTS = 400
  const first = visit(40)
  const other = await openPlain(server, `/ws${as('eve')}`)
  other.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
  await other.expect('USER_PRESENCE', ({ payload }) => payload?.userCount === 2)
  const publishing = (async () => {
    for (let n = 1; n <= FACTS; n++)
      await server.server.publish(channel, { type: 'event:other', payload: { type: 'TEST', payload: { n } } })
  })()
  await first
  while ((position?.seq ?? 0) < FACTS) await visit(Math.min(40, FACTS - (position?.seq ?? 0)))
  await publishing
  expect(seen).toEqual(Array.from({ length: FACTS }, (_, i) => i + 1))

  const late = await openPlain(server, path)
  late.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
  expect(await late.expect('USER_PRESENCE')).toMatchObject({ seq: FACTS })
  await server.server.publish(channel, { type: 'event:other', payload: { type: 'TEST', payload: { n: FACTS + 1 } } })
  await late.expect('TEST')
  expect(late.received.filter(({ type }) => type === 'TEST').map(({ payload }) => payload?.n)).toEqual([FACTS + 1])
})
