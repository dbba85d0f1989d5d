// The client's connection: states, tokens, refusals.
import { expect, test, vi } from 'vitest'
import { type ClientState, createClient } from '../../src/client/index.ts'
import { cleanup } from '../support/cleanup.ts'
import { clientFor } from '../support/sdk.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

function statesOf(client: ReturnType<typeof createClient>): ClientState[] {
  const states: ClientState[] = []
  client.onState((state) => states.push(state))
  return states
}

test('the states, from idle to idle', async () => {
  const { url } = await startServer()
  const client = createClient({ url, token: tokenFor('ann') })
  cleanup(() => client.close())
  const states = statesOf(client)
  expect(client.state).toBe('idle')
  client.connect()
  client.connect()
  await until('connected', () => client.state === 'connected')
  client.close()
  client.close()
  client.connect()
  await until('connected again', () => client.state === 'connected')
  expect(states).toEqual(['connecting', 'connected', 'idle', 'connecting', 'connected'])
})

test('polling serves as well', async () => {
  const { url } = await startServer()
  const client = clientFor(url, 'ann', { transports: ['polling'] })
  await client.channel('project:p1').join()
  await expect(client.channel('project:p1').publish('task:update', {})).resolves.toMatchObject({ seq: 1 })
})

test('the token function is awaited before every connect', async () => {
  const { url, server } = await startServer()
  let asked = 0
  const token = async () => {
    asked++
    await new Promise((resolve) => setTimeout(resolve, 50))
    return tokenFor('ann')
  }
  const client = clientFor(url, 'ann', { token })
  await until('connected', () => client.state === 'connected')
  expect(asked).toBe(1)
  const states = statesOf(client)
  for (const socket of await server.io.fetchSockets()) socket.disconnect(true)
  await until('connected again', () => states.at(-1) === 'connected')
  expect(asked).toBe(2)
})

test('a token function that fails is asked again', async () => {
  const { url } = await startServer()
  let asked = 0
  const client = clientFor(url, 'ann', {
    token: () => (++asked < 3 ? Promise.reject(new Error('the app is busy')) : tokenFor('ann')),
  })
  await until('connected', () => client.state === 'connected')
  expect(asked).toBe(3)
})

test('a refusal for good ends in refused, with the reason and no more tries', async () => {
  const { url } = await startServer()
  let asked = 0
  let token = 'not a token'
  const client = clientFor(url, 'ann', {
    token: () => {
      asked++
      return token
    },
  })
  const reasons: unknown[] = []
  client.onState((_state, reason) => reasons.push(reason))
  const joined = client.channel('project:p1').join()
  await expect(joined).rejects.toMatchObject({ code: 'unauthenticated', message: 'Authentication failed' })
  expect(client.state).toBe('refused')
  expect(reasons).toEqual([expect.objectContaining({ code: 'unauthenticated' })])
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect([asked, client.state]).toEqual([1, 'refused'])
  token = tokenFor('ann')
  client.connect()
  await until('connected', () => client.state === 'connected')
})

test('an expired token is replaced once at once, then the client backs off', async () => {
  const { url } = await startServer()
  // The longest waits that chance can give: 500 ms, then 1000 ms.
  const chance = vi.spyOn(Math, 'random').mockReturnValue(0.999)
  cleanup(() => chance.mockRestore())
  const times: number[] = []
  const stale = tokenFor('ann', { exp: inSeconds(-60) })
  const client = clientFor(url, 'ann', {
    token: () => {
      times.push(performance.now())
      return times.length < 4 ? stale : tokenFor('ann')
    },
  })
  await until('connected', () => client.state === 'connected')
  const [first = 0, second = 0, third = 0] = times.slice(1).map((time, i) => time - (times[i] ?? 0))
  expect(times).toHaveLength(4)
  expect(second).toBeGreaterThan(490)
  expect(third).toBeGreaterThan(990)
  expect(first).toBeLessThan(second)
})

test('[LIFE1] auth:expiring is answered with a new token, and the session goes on', async () => {
  const { url, server } = await startServer()
  const tokens: string[] = []
  const client = clientFor(url, 'ann', {
    token: async () => {
      tokens.push(tokenFor('ann', { exp: inSeconds(tokens.length === 0 ? 32 : 3600) }))
      return tokens.at(-1) ?? ''
    },
  })
  await until('connected', () => client.state === 'connected')
  const states = statesOf(client)
  const shown: unknown[] = []
  for (const socket of server.io.sockets.sockets.values()) {
    socket.onAny((event, body) => shown.push([event, body]))
  }
  await until('the new token is shown', () => shown.length > 0)
  expect(shown).toEqual([['auth:refresh', { token: tokens[1] }]])
  await client.channel('project:p1').join()
  expect([states, tokens.length]).toEqual([[], 2])
})

test('too many connections: comes back no sooner than the server said', async () => {
  const { url } = await startServer({ rateConnectionsPerMinute: 1 })
  const first = clientFor(url, 'ann')
  await until('the first is in', () => first.state === 'connected')
  let asked = 0
  const second = clientFor(url, 'ben', {
    token: () => {
      asked++
      return tokenFor('ben')
    },
  })
  const reasons: unknown[] = []
  second.onState((_state, reason) => reasons.push(reason?.code))
  await until('refused for now', () => second.state === 'reconnecting')
  await new Promise((resolve) => setTimeout(resolve, 2500))
  expect([asked, reasons]).toEqual([1, ['rate_limited']])
})

test('closed while it waits for its token, it stays closed', async () => {
  const { url } = await startServer()
  let give: (token: string) => void = () => {}
  const asked: Promise<string> = new Promise((resolve) => {
    give = resolve
  })
  const client = clientFor(url, 'ann', { token: () => asked })
  client.close()
  give(tokenFor('ann'))
  const other = clientFor(url, 'ben')
  await until('another one that began later is in', () => other.state === 'connected')
  expect(client.state).toBe('idle')
  const { presence } = await other.channel('user:ben').join()
  expect(presence.connections).toBe(1)
})

/** Has chance give what it is told, and notes when a client is told of each state. */
function timed(client: ReturnType<typeof createClient>, chance: number) {
  const random = vi.spyOn(Math, 'random').mockReturnValue(chance)
  cleanup(() => random.mockRestore())
  const times: { state: ClientState; at: number }[] = []
  client.onState((state) => times.push({ state, at: performance.now() }))
  /** How long it was away, each time. */
  const gaps = () =>
    times.flatMap(({ state, at }, i) => (state === 'connected' ? [at - (times[i - 1]?.at ?? Number.NaN)] : []))
  return { times, gaps }
}

test('[LIFE3] after server:shutdown it comes back when the server said', async () => {
  const { url, server } = await startServer()
  const client = clientFor(url, 'ann')
  await until('connected', () => client.state === 'connected')
  const { gaps } = timed(client, 0)
  server.io.emit('server:shutdown', { message: 'away', reconnectInMs: 1500 })
  for (const socket of server.io.sockets.sockets.values()) socket.conn.close()
  await until('back', () => gaps().length === 1)
  expect(gaps()[0]).toBeGreaterThan(1400)
})

test('a connection that is cut at once is a failed try, one that lasted is not', async () => {
  const { url, server } = await startServer()
  const client = clientFor(url, 'ann')
  await until('connected', () => client.state === 'connected')
  const { gaps } = timed(client, 0.999)
  const cut = async (round: number) => {
    for (const socket of server.io.sockets.sockets.values()) socket.conn.close()
    await until('back', () => gaps().length === round)
  }
  await cut(1)
  await cut(2)
  // As if it had lasted.
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 6000)
  cleanup(() => clock.mockRestore())
  await cut(3)
  const [first = 0, second = 0, third = 0] = gaps()
  expect(first).toBeGreaterThan(490)
  expect(second).toBeGreaterThan(990)
  // Not 2000 ms, as a third failure in a row.
  expect(third).toBeGreaterThan(490)
  expect(third).toBeLessThan(1900)
})

test('closing rejects what waits', async () => {
  const client = clientFor('http://127.0.0.1:9', 'ann')
  const channel = client.channel('project:p1')
  const joined = channel.join()
  const published = channel.publish('task:update', {})
  client.close()
  await expect(joined).rejects.toMatchObject({ code: 'unavailable' })
  await expect(published).rejects.toMatchObject({ code: 'unavailable' })
  expect(client.state).toBe('idle')
})

test('an address that will not do is refused by its name', () => {
  for (const url of ['', 'localhost:3001', 'http://localhost:3001/path', 'ftp://localhost']) {
    expect(() => createClient({ url, token: '' }), url).toThrow(/^url is /)
  }
  const client = createClient({ url: 'http://localhost:3001/', token: '' })
  expect(() => client.channel('p1')).toThrow(/expected kind:id/)
  expect(client.channel('project:p1')).toBe(client.channel('project:p1'))
})
