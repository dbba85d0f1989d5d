// Somebody at the doors of the older families who wants to be, or to have, what is not theirs.
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectEvent, expectReply, join } from '../support/connect.ts'
import { as, openPlain } from '../support/plain.ts'
import { startServer } from '../support/start-server.ts'
import { until } from '../support/until.ts'

/** Asks with the headers that a browser, or a program, would send. */
function http(port: number, method: string, path: string, headers: Record<string, string>, body?: object) {
  const text = body && JSON.stringify(body)
  return new Promise<number | undefined>((resolve, reject) => {
    const asked = request({
      port,
      method,
      path,
      headers: { ...headers, ...(text && { 'Content-Type': 'application/json' }) },
    })
    asked.on('error', reject)
    asked.on('response', (response) => response.resume().on('end', () => resolve(response.statusCode)))
    asked.end(text)
  })
}

/** A server that believes claims, whose app says that somebody edits, when the test has it answer. */
async function withApp(ask: (text: string, answer: () => void) => unknown) {
  const app = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    ask(text, () => response.end('{"role":"editor"}'))
  })
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  cleanup(() => app.closeAllConnections())
  cleanup(() => app.close())
  const server = await startServer({
    insecureIdentity: true,
    access: 'webhook',
    accessWebhookUrl: `http://127.0.0.1:${(app.address() as AddressInfo).port}/`,
    accessWebhookSecret: 'a-secret-between-the-app-and-convene',
  })
  return { server }
}

test('[D3] A2 where claims are believed, no page elsewhere is anybody, by whatever name it calls this computer', async () => {
  const { port } = await startServer({ insecureIdentity: true })
  const listen = '/api/community/messages?roomId=r1&userId=ann'
  const write = '/api/realtime?userId=ann'
  const evil = `evil.example:${port}`
  const sync = { type: 'SYNC', operations: [] }
  const tried = async (headers: Record<string, string>) => [
    await http(port, 'GET', listen, headers),
    await http(port, 'GET', listen, { ...headers, authorization: 'Bearer ann' }),
    await http(port, 'POST', write, headers, sync),
  ]
  for (const headers of [
    // Its own name leads here: a browser then sends no Origin with what it reads.
    { host: evil },
    { host: evil, origin: `http://${evil}` },
    { host: `localhost.evil.example:${port}` },
    { host: `127.0.0.1.evil.example:${port}` },
    { host: 'localhost.' },
    { host: `localhost:${port}`, origin: 'http://evil.example' },
    { host: `localhost:${port}`, origin: 'null' },
  ]) {
    expect([headers, ...(await tried(headers))]).toEqual([headers, 401, 401, 401])
  }
  for (const headers of [
    { host: `localhost:${port}` },
    { host: '127.0.0.1' },
    { host: `[::1]:${port}` },
    { host: `192.168.0.7:${port}` },
    { host: `convene:${port}` },
    { host: evil, origin: 'http://localhost:3000' },
  ]) {
    expect([headers, ...(await tried(headers))]).toEqual([headers, 200, 200, 200])
  }
})

test('[D3] a server that is called by the name of an allowed origin believes claims as well', async () => {
  const { port } = await startServer({ insecureIdentity: true, allowedOrigins: ['https://dev.example:8443'] })
  const listen = '/api/community/messages?roomId=r1&userId=ann'
  expect(await http(port, 'GET', listen, { host: 'dev.example:8443' })).toBe(200)
  expect(await http(port, 'GET', listen, { host: 'dev.example' })).toBe(401)
})

test('[D3] A17 somebody who says again and again that they are another is sent away, as too fast', async () => {
  const server = await startServer({ insecureIdentity: true })
  const ann = await openPlain(server, '/ws?userId=ann')
  ann.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
  const eve = await openPlain(server, '/ws?userId=eve')
  eve.say({ type: 'JOIN_PROJECT', projectId: 'p1' })
  await ann.expect('USER_PRESENCE', ({ payload }) => payload?.userCount === 2)
  ann.taken()
  for (let n = 0; n < 6000; n++) eve.say({ type: 'SET_USER', payload: { userId: `eve${n % 2}` } })
  expect((await eve.closed).code).toBe(4008)
  await until('she is gone', () => ann.received.at(-1)?.payload?.userCount === 1)
  // Each time she leaves and comes: as often as she may say anything.
  expect(ann.received.length).toBeLessThan(2000)
})

test('[D7] A15 an object that says it stands elsewhere in the log is told to the board with its true place', async () => {
  const server = await startServer()
  const board = await connect(server, 'board')
  board.socket.emit('join-project', 'p1')
  const { epoch } = await expectEvent<{ epoch: string }>(board, 'users:active')
  const eve = await connect(server, 'eve')
  await join(eve, 'project:p1')
  const create = (payload: object) => expectReply(eve, 'task:create', { channel: 'project:p1', payload })
  await create({ id: 't1', epoch, seq: 1000, channel: 'project:p1' })
  expect(await expectEvent(board, 'task:create')).toEqual({ id: 't1', epoch, seq: 1, channel: 'project:p1' })
  await create({ id: 't2', seq: 7, epoch: 'of rome' })
  // Fields of its own: no place at all.
  const own = await expectEvent<{ id?: string }>(board, 'task:create', ({ id }) => id === 't2')
  expect(own).toEqual({ id: 't2', seq: 7, epoch: 'of rome' })
})

test('A16 while a dashboard’s door is still to open, little is kept of what is to be answered then', async () => {
  const asked: (() => void)[] = []
  const { server } = await withApp((_text, answer) => asked.push(answer))
  const eve = await openPlain(server, `/api/realtime${as('eve')}&dashboardId=d1`)
  const ping = (id: string) => eve.say({ type: 'PING', userId: 'eve', id })
  for (let n = 0; n < 50; n++) ping(`${n} ${'x'.repeat(30_000)}`)
  const ponged = new Promise((resolve) => eve.ws.once('pong', resolve))
  eve.ws.ping()
  await ponged
  await until('the app is asked', () => asked.length > 0)
  asked[0]?.()
  await eve.expect('CONNECT')
  ping('last')
  await eve.expect('PONG', ({ correlationId }) => correlationId === 'last')
  const answered = eve.received.flatMap(({ type, correlationId }) =>
    type === 'PONG' ? String(correlationId).split(' ')[0] : [],
  )
  expect(answered).toEqual(['0', '1', 'last'])
})
