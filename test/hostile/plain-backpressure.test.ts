import { expect, test } from 'vitest'
import { connect, factsOf, join } from '../support/connect.ts'
import { as, openPlain } from '../support/plain.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'

const ROUNDS = 60
const REQUESTS = 3000

test('[REQ4] [REQ5] what a client asks for faster than it is served waits with the client: none is refused, all is in order', async () => {
  const server = await startServer({ rateFactsPerSecond: 100_000 })
  const nia = await connect(server, 'nia')
  await join(nia, 'project:p1')
  for (let n = 0; n < 10; n++) {
    await server.server.publish('project:p1', { type: 'a:b', payload: { text: 'x'.repeat(50_000) } })
  }
  const eager = await openPlain(server, `/ws${as('eager')}`)
  eager.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
  const { epoch } = await eager.expect('USER_PRESENCE')
  // Far more than a kernel keeps for it, and each of them before what follows.
  eager.ws.pause()
  for (let n = 0; n < ROUNDS; n++) eager.say({ type: 'JOIN_PROJECT', projectId: 'p1', since: { epoch, seq: 0 } })
  const text = 'x'.repeat(4000)
  for (let n = 0; n < REQUESTS; n++) {
    eager.say({ type: 'TASK_UPDATE', projectId: 'p1', payload: { n, text }, operationId: `op-${n}` })
  }
  // 12 MB: what is not read waits here, until replies are read.
  const stuck = () => eager.ws.bufferedAmount
  let last = -1
  await until('nothing more is taken', async () => {
    const before = last
    last = stuck()
    await new Promise((resolve) => setTimeout(resolve, 200))
    return before === last && stuck() === last
  })
  expect(stuck()).toBeGreaterThan(1_000_000)
  expect(factsOf(nia, 'project:p1').filter(({ type }) => type === 'task:update')).toEqual([])
  eager.ws.resume()
  await until('all is served', () => factsOf(nia, 'project:p1').length === 10 + REQUESTS)
  expect(
    factsOf(nia, 'project:p1')
      .slice(10)
      .map(({ payload }) => payload.n),
  ).toEqual(Array.from({ length: REQUESTS }, (_, n) => n))
  expect(eager.received.filter(({ type }) => type === 'ERROR')).toEqual([])
  expect(eager.received.filter(({ type }) => type === 'A_B')).toHaveLength(ROUNDS * 10)
})
