import { connect as tcp } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { clientOf, connect, expectReply, factsOf, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { channel, INTERNALS, Room } from './room.ts'

const KEY = 'k+1/of=the%tests&0123456789'
const events = `/api/v1/channels/${channel}/events`
const fact = JSON.stringify({ type: 'a:b', payload: {} })

/** One request, written as it stands. Resolves to the whole answer when the server has closed the connection. */
async function raw(port: number, lines: string[], body: string | Buffer = ''): Promise<string> {
  const socket = tcp(port, '127.0.0.1').on('error', () => {})
  let answer = ''
  socket.on('data', (data) => {
    answer += data.toString('latin1')
  })
  socket.write(`${[...lines, `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close', '', ''].join('\r\n')}`)
  socket.write(body)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 3000))])
  const ended = socket.closed
  socket.destroy()
  return ended ? answer : `never ended: ${answer}`
}

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

test('A16 A25 [API3] bodies of every bad kind: an answer in JSON, nothing stored, nobody notices', async () => {
  const room = await Room.open()
  const { port } = room.server
  const json = 'application/json'
  const bodies: [what: string, body: string | Buffer, status: number, ...headers: string[]][] = [
    ['nothing', '', 400],
    ['null', 'null', 400],
    ['a number', '7', 400],
    ['text', '"text"', 400],
    ['a list', `[${fact}]`, 400],
    ['broken', '{"type":', 400],
    ['two', `${fact}${fact}`, 400],
    ['100 kB and more', JSON.stringify({ type: 'a:b', payload: { text: 'x'.repeat(110_000) } }), 413],
    ['nested 50 levels', `{"type":"a:b","payload":{"x":${nested(50)}}}`, 400],
    ['nested 6,000 levels', `{"type":"a:b","payload":{"x":${nested(6000)}}}`, 400],
    ['nested 45,000 levels', `{"type":"a:b","payload":{"x":${nested(45_000)}}}`, 400],
    ['nested 49,000 levels, in a list', `{"events":${nested(49_000)}}`, 200],
    ['a wrong charset', fact, 400, `Content-Type: ${json}; charset=klingon`],
    ['UTF-16 in name', fact, 400, `Content-Type: ${json}; charset=utf-16le`],
    ['a text', fact, 400, 'Content-Type: text/plain'],
    ['a form', 'type=a:b&payload[x]=1', 400, 'Content-Type: application/x-www-form-urlencoded'],
    ['no type', fact, 400, 'Content-Type: '],
    ['a bomb', gzipSync(`{"type":"a:b","payload":{"x":"${'0'.repeat(50_000_000)}"}}`), 413, 'Content-Encoding: gzip'],
    ['no gzip', fact, 400, 'Content-Encoding: gzip'],
    ['an unknown encoding', fact, 400, 'Content-Encoding: compress, gzip'],
    ['bad UTF-8', Buffer.concat([Buffer.from('{"type":"a:b'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]), 400],
    ['SQL', `{"type":"a:b';drop table events","payload":{}}`, 400],
  ]
  for (const [what, body, status, ...headers] of bodies) {
    const type = headers.some((line) => line.startsWith('Content-Type')) ? [] : [`Content-Type: ${json}`]
    // An honest fact in the same turn must not be taken down with it.
    const [answer] = await Promise.all([
      raw(port, [`POST ${events} HTTP/1.1`, 'Host: localhost', ...type, ...headers], body),
      room.publish(),
    ])
    expect(answer.slice(0, 12), what).toBe(`HTTP/1.1 ${status}`)
    expect(answer, what).toContain('application/json')
    expect(answer, what).toMatch(/"code":"(invalid|too_large)"/)
    expect(answer, what).not.toMatch(INTERNALS)
  }
  for (const method of ['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND']) {
    for (const path of [events, '/broadcast', '/health', '/stats', '/metrics', '/demo/token', '/']) {
      const answer = await raw(port, [`${method} ${path} HTTP/1.1`, 'Host: localhost'])
      expect(answer, `${method} ${path}`).toMatch(/^HTTP\/1\.1 (200|204|404)/)
      expect(answer, `${method} ${path}`).not.toMatch(INTERNALS)
    }
  }
  await room.noticesNothing()
})

test('[REQ4] what cannot be written as JSON fails alone, not with the facts of the same turn', async () => {
  const { server } = await startServer()
  const endless: Record<string, unknown> = {}
  endless.endless = endless
  const publish = (payload: Record<string, unknown>) => server.publish(channel, { type: 'a:b', payload })
  const bad = [endless, { big: 10n }, { toJSON: () => JSON.parse('{') }].map((payload) => publish(payload))
  const good = [1, 2, 3].map((n) => publish({ n }))
  const outcomes = await Promise.allSettled([...bad, ...good])
  expect(outcomes.map(({ status }) => status)).toEqual([...Array(3).fill('rejected'), ...Array(3).fill('fulfilled')])
  for (const outcome of outcomes.slice(0, 3)) {
    expect((outcome as PromiseRejectedResult).reason).toMatchObject({ code: 'invalid' })
  }
})

test('A28 [API1] a key opens as itself only: no part of it, no query, no trick with the path', async () => {
  const server = await startServer({ apiKeys: [KEY, KEY] })
  const status = async (path: string, ...headers: string[]) =>
    Number((await raw(server.port, [`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers])).slice(9, 12))
  const inPath = encodeURIComponent(KEY)
  expect(await status('/stats', `X-API-Key: ${KEY}`)).toBe(200)
  expect(await status('/stats', `Authorization: bearer ${KEY}`)).toBe(200)
  expect(await status(`/k/${inPath}/stats`)).toBe(200)
  expect(await status(`/k/${inPath}${events}`)).toBe(200)
  const old = 'the-key-before-it-0123456789'
  const attempts: [path: string, ...headers: string[]][] = [
    ['/stats'],
    ['/stats', `X-API-Key: ${old}`],
    ...['key', 'token', 'api_key', 'apikey', 'access_token', 'x-api-key', 'authorization', 'k'].map(
      (name): [string] => [`/stats?${name}=${inPath}`],
    ),
    [`/k/wrong/stats?key=${inPath}`],
    [`/k/%/stats`],
    [`/k/%00/stats`],
    [`/k/${inPath.slice(0, -1)}/stats`],
    [`/k/${inPath}%00/stats`],
    [`/k/${encodeURIComponent(inPath)}/stats`],
    [`/k/wrong/k/${inPath}/stats`],
    [`/k//stats`, `X-API-Key: ${old}`],
    [`//k/${inPath}/stats`],
    [`/k/x/../${inPath}/stats`],
    [`/STATS/`],
    [`/%73tats`],
    ['http://localhost/stats'],
    ['/stats', 'X-API-Key: '],
    ['/stats', `X-API-Key: ${KEY}, ${KEY}`],
    ['/stats', `X-API-Key: ${KEY}`, 'X-API-Key: other'],
    ['/stats', `X-API-Key: other`, `X-API-Key: ${KEY}`],
    ['/stats', `Authorization: Bearer wrong`, `X-API-Key: ${KEY}`],
    ['/stats', `Authorization: Basic ${Buffer.from(`:${KEY}`).toString('base64')}`],
    ['/stats', `X-HTTP-Method-Override: OPTIONS`],
    ['/stats', `X-Original-URL: /health`, 'X-Rewrite-URL: /health'],
    ['/stats', `Cookie: key=${inPath}; x-api-key=${inPath}`],
  ]
  for (const [path, ...headers] of attempts) {
    expect([401, 404], `${path} ${headers}`).toContain(await status(path, ...headers))
  }
})

test('A28 development without keys answers this computer, by its own name, and no page that only resolves to it', async () => {
  const server = await startServer()
  const post = (host: string, path: string, body: string) =>
    raw(server.port, [`POST ${path} HTTP/1.1`, `Host: ${host}`, 'Content-Type: application/json'], body)
  const person = '{"id":"ann","name":"Ann"}'
  for (const host of ['localhost', 'localhost:3001', '127.0.0.1:80', '[::1]:3001']) {
    expect(await post(host, events, fact), host).toMatch(/^HTTP\/1\.1 200/)
    expect(await post(host, '/demo/token', person), host).toMatch(/^HTTP\/1\.1 200/)
  }
  const foreign = ['evil.com', 'localhost.evil.com', 'localhost:3001.evil.com', 'evil.com#localhost', 'x@localhost', '']
  for (const host of foreign) {
    expect(await post(host, events, fact), host).toMatch(/^HTTP\/1\.1 401/)
    expect(await post(host, '/demo/token', person), host).toMatch(/^HTTP\/1\.1 403/)
    expect(await raw(server.port, ['GET /stats HTTP/1.1', `Host: ${host}`]), host).toMatch(/^HTTP\/1\.1 401/)
  }
})

test('A27 a request to upgrade where nothing is upgraded is answered, not kept open', async () => {
  const room = await Room.open()
  const asks: [path: string, upgrade: string][] = [
    ['/', 'websocket'],
    ['/health', 'h2c'],
    ['/broadcast', 'h2c'],
    ['/socket.iox', 'websocket'],
    ['/k/x/socket.io/', 'websocket'],
    ['//socket.io/', 'websocket'],
    ['/socket.io/?EIO=4&transport=polling', 'h2c'],
    ['/socket.io/?EIO=4&transport=websocket&sid=__proto__', 'websocket'],
  ]
  for (const [path, upgrade] of asks) {
    const head = [`GET ${path} HTTP/1.1`, 'Host: localhost', `Upgrade: ${upgrade}`, 'Connection: Upgrade']
    expect(await raw(room.server.port, head), path).toMatch(/^HTTP\/1\.1 40[04]/)
  }
  await room.noticesNothing()
})

describe('A26 X-Forwarded-For', () => {
  test.each([
    [0, '', true],
    [1, ', 198.51.100.7', true],
    [2, ', 198.51.100.7, 192.0.2.1', true],
    [2, ', 198.51.100.7', false],
  ])('behind %i proxies, what a client wrote itself changes nothing: …%s', async (trustProxy, seen, hasLimit) => {
    const server = await startServer({ trustProxy, rateConnectionsPerMinute: 5 })
    let refused = 0
    for (let i = 0; i < 10; i++) {
      const extraHeaders = { 'x-forwarded-for': `203.0.113.${i}, 10.0.0.${i}${seen}` }
      const socket = clientOf(server.url, { token: tokenFor(`u${i}`), extraHeaders })
      const outcome = new Promise<string>((resolve) => {
        socket.once('connected', () => resolve('in'))
        socket.once('connect_error', ({ message }) => resolve(message))
      })
      socket.connect()
      if ((await outcome) === 'Too many connections') refused++
    }
    // With one proxy less than promised, the client's own words are the outermost.
    expect(refused).toBe(hasLimit ? 5 : 0)
  })
})

test('A2 a page of another origin reads nothing over HTTP or polling, and connects nowhere', async () => {
  const server = await startServer({ allowedOrigins: ['https://good.example.com'], apiKeys: [KEY] })
  const evil = [
    'https://evil.com',
    'null',
    'https://good.example.com.evil.com',
    'https://xgood.example.com',
    'HTTPS://GOOD.EXAMPLE.COM',
  ]
  for (const origin of evil) {
    for (const path of ['/health', '/stats', '/socket.io/?EIO=4&transport=polling', events]) {
      for (const method of ['GET', 'OPTIONS']) {
        const headers = { origin, 'access-control-request-method': 'POST', 'x-api-key': KEY }
        const response = await fetch(server.url + path, { method, headers })
        expect(response.headers.get('access-control-allow-origin'), `${method} ${path} ${origin}`).toBeNull()
      }
    }
  }
  const ann = await connect(server, 'ann', { extraHeaders: { origin: 'https://good.example.com' } })
  await join(ann, channel)
  await server.server.publish(channel, { type: 'a:b', payload: {} })
  await expectReply(ann, 'ping', {})
  expect(factsOf(ann, channel)).toHaveLength(1)
})
