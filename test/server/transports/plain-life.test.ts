// How long a plain WebSocket lives, and how it ends.
import { connect as tcp } from 'node:net'
import { describe, expect, test } from 'vitest'
import { cleanup } from '../../support/cleanup.ts'
import { as, openPlain, type Plain } from '../../support/plain.ts'
import { startProcess } from '../../support/process-server.ts'
import { startServer } from '../../support/start-server.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { until } from '../../support/until.ts'

const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const

/** A WebSocket of bare bytes: it answers nothing by itself. */
function bare(port: number, path: string) {
  const socket = tcp(port, '127.0.0.1')
  cleanup(() => socket.destroy())
  socket.on('error', () => {})
  let text = ''
  socket.on('data', (data) => {
    text += data.toString('latin1')
  })
  const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())))
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  )
  return { socket, text: () => text, closed }
}

async function isIn(server: { url: string }, count: number): Promise<void> {
  await until(`${count} are in`, async () => {
    const health = (await (await fetch(`${server.url}/health`)).json()) as { connections: number }
    return health.connections === count
  })
}

describe('[LIFE1] the end of a token', () => {
  test('closes a session 10 s after it, with 4000 or as the family has it, on every door; it comes back with a new one', async () => {
    const server = await startServer()
    const exp = Math.floor(Date.now() / 1000) + 2
    // All at once, for their wait is the same.
    await Promise.all(
      DOORS.map(async (path) => {
        const ann = await openPlain(server, path + as('ann', { exp }))
        const { code, reason } = await ann.closed
        expect([code, reason]).toEqual(
          path.endsWith('/realtime') ? [1008, 'Unauthorized'] : [4000, 'The token has expired; connect with a new one'],
        )
        expect(Date.now()).toBeGreaterThanOrEqual((exp + 10) * 1000)
        expect(Date.now()).toBeLessThan((exp + 14) * 1000)
        await openPlain(server, path + as('ann'))
      }),
    )
  })
})

describe('heartbeat', () => {
  const beats = { pingIntervalMs: 400, pingTimeoutMs: 200 }

  test('a client that answers no ping is cut within interval and timeout, one that answers stays', async () => {
    const server = await startServer(beats)
    const lives = await openPlain(server, `/ws${as('lives')}`)
    let pings = 0
    lives.ws.on('ping', () => pings++)
    const dead = bare(server.port, `/ws${as('dead')}`)
    await until('it is in', () => dead.text().includes('101 '))
    const since = performance.now()
    expect((await dead.closed) - since).toBeLessThan(beats.pingIntervalMs + beats.pingTimeoutMs + 1000)
    expect((await dead.closed) - since).toBeGreaterThan(beats.pingTimeoutMs)
    const seen = pings
    await until('it is asked some more', () => pings > seen + 3)
    expect(lives.ws.readyState).toBe(lives.ws.OPEN)
    await isIn(server, 1)
  })

  test('whatever a client sends is a sign of life: pongs unasked, pings, frames', async () => {
    const server = await startServer(beats)
    const signs = [Buffer.from([0x8a, 0x80, 0, 0, 0, 0]), Buffer.from([0x89, 0x80, 0, 0, 0, 0])]
    signs.push(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d]))
    const clients = signs.map((sign, n) => {
      const client = bare(server.port, `/api/community/ws${as(`c${n}`)}`)
      const timer = setInterval(() => client.socket.write(sign), 50)
      cleanup(() => clearInterval(timer))
      return client
    })
    await isIn(server, 3)
    // Pings that the server sent, empty ones.
    const pinged = (text: string) => text.split('\x89\x00').length - 1
    await until('each was pinged', () => clients.every(({ text }) => pinged(text()) >= 5))
    await isIn(server, 3)
  })

  test('a timeout longer than the interval cuts as well', async () => {
    const server = await startServer({ pingIntervalMs: 100, pingTimeoutMs: 300 })
    await bare(server.port, `/ws${as('dead')}`).closed
    await isIn(server, 0)
  })
})

describe('[LIFE3] SIGTERM', () => {
  test('closes every plain client with 4001, and the process exits 0 within DRAIN_MS, also with some that do not close', async () => {
    const server = await startProcess({ DRAIN_MS: '6000', LOG_LEVEL: 'info' }, { folder: temporaryFolder() })
    const clients: Plain[] = []
    for (const path of DOORS) clients.push(await openPlain(server, path + as('ann')))
    const deaf = bare(server.port, `/ws${as('deaf')}`)
    await isIn(server, DOORS.length + 1)
    const since = performance.now()
    server.kill()
    const ends = await Promise.all(clients.map(({ closed }) => closed))
    expect(ends.map(({ code }) => code)).toEqual(DOORS.map(() => 4001))
    expect(await server.exited).toBe(0)
    expect(performance.now() - since).toBeLessThan(6500)
    expect(deaf.text()).toContain('Connect again')
    expect(server.output()).not.toMatch(/unhandled|uncaught|nobody listened/i)
  })
})

test('a client that never closes its end is let go 5 s after it was sent away', async () => {
  const server = await startServer({ apiKeys: ['a-key-of-the-tests-that-is-long-enough'] })
  const deaf = bare(server.port, `/ws${as('deaf')}`)
  await isIn(server, 1)
  const headers = { 'x-api-key': 'a-key-of-the-tests-that-is-long-enough' }
  await fetch(`${server.url}/api/v1/users/deaf/disconnect`, { method: 'POST', headers })
  const since = performance.now()
  expect((await deaf.closed) - since).toBeLessThan(7000)
  await isIn(server, 0)
})
