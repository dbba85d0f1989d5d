// From the WebSocket's opening to the greeting, and what is left when it ends in between.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { ConveneError } from '../../../src/protocol/errors.ts'
import { createAuthenticator } from '../../../src/server/auth/authenticator.ts'
import { createOlderIdentity } from '../../../src/server/auth/older-identity.ts'
import { tasks } from '../../../src/server/dialects/tasks.ts'
import { createLogger } from '../../../src/server/observe/logger.ts'
import { createMetrics } from '../../../src/server/observe/metrics.ts'
import { Session } from '../../../src/server/session/session.ts'
import { type ServePlainOptions, servePlain } from '../../../src/server/transports/serve-plain.ts'
import { cleanup } from '../../support/cleanup.ts'
import { openPlain } from '../../support/plain.ts'
import { until } from '../../support/until.ts'

type Step = 'open' | 'prepare' | 'ready'

/** Serves one client; each step is noted, and waits until the test lets it go on. */
async function serveOne() {
  const steps: string[] = []
  const held = new Map<Step, (error?: Error) => void>()
  const hold = (step: Step) =>
    new Promise<void>((resolve, reject) => held.set(step, (error) => (error ? reject(error) : resolve())))
  const metrics = createMetrics('test')
  cleanup(() => metrics.stop())
  const limits = { maxChannels: 10, factsPerSecond: 100, signalsPerSecond: 100 }
  const options: ServePlainOptions = {
    logger: createLogger({ level: 'silent', pretty: false, serverId: 'test' }),
    metrics,
    identity: createOlderIdentity(createAuthenticator({ secrets: ['x'.repeat(32)], nextAuth: false }), true),
    pingIntervalMs: 60_000,
    pingTimeoutMs: 60_000,
    maxOutboundBytes: 1_000_000,
    maxMessageBytes: 65_536,
    open(connection, verified) {
      steps.push(`open ${verified.identity.id}`)
      return new Session(connection, verified, limits)
    },
    prepare: () => hold('prepare'),
    ready: () => hold('ready'),
    serve: async () => {},
    close: ({ userId }) => void steps.push(`close ${userId}`),
  }
  const http = createServer()
  const wss = new WebSocketServer({ noServer: true })
  const verified = { identity: { id: 'ann', claims: {} }, expiresAt: Number.MAX_SAFE_INTEGER, isClaim: true } as const
  const arrived = new Promise<{ ws: WebSocket; served: Promise<void> }>((resolve) => {
    http.on('upgrade', (request, pipe, head) =>
      wss.handleUpgrade(request, pipe, head, (ws) => {
        const arrival = { door: tasks, ws, pipe, query: new URLSearchParams(), sessionId: 's', address: '', verified }
        const served = servePlain(arrival, options, {
          entered: () => steps.push('entered'),
          refused: ({ code }) => steps.push(`refused ${code}`),
        })
        resolve({ ws, served })
      }),
    )
  })
  http.listen(0, '127.0.0.1')
  cleanup(() => http.close())
  await new Promise((resolve) => http.once('listening', resolve))
  const client = await openPlain({ url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` }, '/')
  const { ws, served } = await arrived
  async function goOn(step: Step, error?: Error): Promise<void> {
    await until(`${step} is reached`, () => held.has(step))
    held.get(step)?.(error)
    held.delete(step)
  }
  async function cut(): Promise<void> {
    const closed = new Promise((resolve) => ws.once('close', resolve))
    ws.terminate()
    await closed
  }
  return { client, ws, served, steps, goOn, cut, reached: (step: Step) => until(step, () => held.has(step)) }
}

test('a client that was cut before it was known is not greeted, and leaves nothing', async () => {
  const { steps, goOn, cut, served } = await serveOne()
  await cut()
  await goOn('prepare')
  await served
  expect(steps).toEqual(['open ann', 'close ann'])
})

test('one that was cut while it was greeted is not served', async () => {
  const { steps, goOn, reached, cut, served } = await serveOne()
  await goOn('prepare')
  await reached('ready')
  await cut()
  await goOn('ready')
  await served
  expect(steps).toEqual(['open ann', 'close ann'])
})

test('one that may not come in after all is told why, and leaves nothing', async () => {
  const { steps, goOn, client, served } = await serveOne()
  await goOn('prepare', new ConveneError('revoked', 'Access was revoked'))
  expect(await client.closed).toEqual({ code: 4501, reason: 'Access was revoked' })
  await served
  await until('it has ended here too', () => steps.length === 3)
  expect(steps).toEqual(['open ann', 'refused revoked', 'close ann'])
})

test('[D3] one that is cut while it becomes somebody else is nobody after it', async () => {
  const { steps, goOn, client, cut, served, reached } = await serveOne()
  await goOn('prepare')
  await goOn('ready')
  await served
  client.say({ type: 'SET_USER', payload: { userId: 'ben' } })
  await reached('prepare')
  client.say({ type: 'SET_USER', payload: { userId: 'cem' } })
  await cut()
  await goOn('prepare')
  expect(steps).toEqual(['open ann', 'entered', 'close ann', 'open ben', 'close ben'])
})
