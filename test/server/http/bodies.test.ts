// When a body is read: not before it is settled who calls.
import { connect as tcp } from 'node:net'
import { expect, test } from 'vitest'
import { KEY } from '../../support/api.ts'
import { cleanup } from '../../support/cleanup.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'

const events = '/api/v1/channels/project:p1/events'
const sync = '/api/v1/sync'
const fact = JSON.stringify({ type: 'a:b', payload: {} })

/** The head of a request whose body never comes, but for its first bytes. */
async function openPost(port: number, path: string, headers: Record<string, string>, first = '{') {
  const socket = tcp(port, '127.0.0.1').on('error', () => {})
  cleanup(() => socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (data: string) => {
    text += data
  })
  const given = { host: 'localhost', 'content-type': 'application/json', 'content-length': '99000', ...headers }
  const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}`)
  socket.write([`POST ${path} HTTP/1.1`, ...lines, '', first].join('\r\n'))
  return { socket, status: () => text.slice(9, 12) }
}

test('A19 [API1] who may not ask is told so without having sent a body', async () => {
  const { port } = await startServer({ apiKeys: [KEY], demo: true })
  const person = `Bearer ${tokenFor('ann')}`
  const asks: [path: string, headers: Record<string, string>, status: string][] = [
    [events, {}, '401'],
    [events, { authorization: 'Bearer wrong' }, '401'],
    [events, { authorization: person }, '401'],
    [events, { 'content-encoding': 'gzip' }, '401'],
    ['/broadcast', { 'x-api-key': 'wrong' }, '401'],
    ['/k/wrong/broadcast', {}, '401'],
    ['/api/v1/nothing', {}, '401'],
    [sync, {}, '401'],
    [sync, { 'x-api-key': KEY }, '401'],
    ['/nothing', {}, '404'],
    ['/health', {}, '404'],
    ['/demo/token', { host: 'evil.example' }, '403'],
  ]
  for (const [path, headers, status] of asks) {
    const post = await openPost(port, path, headers)
    await expect.poll(post.status, { message: `${path} ${JSON.stringify(headers)}`, timeout: 5000 }).toBe(status)
  }
})

test('who may ask is waited for, and answered when the body has come', async () => {
  const { port } = await startServer({ apiKeys: [KEY] })
  const asks: [path: string, authorization: string, body: string][] = [
    [events, `Bearer ${KEY}`, fact],
    [sync, `Bearer ${tokenFor('ann')}`, '{"operations":[]}'],
  ]
  for (const [path, authorization, body] of asks) {
    const headers = { authorization, 'content-length': String(body.length) }
    const post = await openPost(port, path, headers, body.slice(0, 5))
    // Whoever comes later is answered first.
    const later = await openPost(port, path, headers, body)
    await expect.poll(later.status, { timeout: 5000 }).toBe('200')
    expect(post.status()).toBe('')
    post.socket.write(body.slice(5))
    await expect.poll(post.status, { timeout: 5000 }).toBe('200')
  }
})

test('a connection that was refused before its body serves the next request', async () => {
  const { port } = await startServer({ apiKeys: [KEY] })
  const post = await openPost(port, events, { 'content-length': '5000' })
  await expect.poll(post.status, { timeout: 5000 }).toBe('401')
  let more = ''
  post.socket.on('data', (data: string) => {
    more += data
  })
  const next = [`POST ${events} HTTP/1.1`, 'host: localhost', `x-api-key: ${KEY}`, 'content-type: application/json']
  post.socket.write(`${' '.repeat(4999)}${[...next, `content-length: ${fact.length}`, '', fact].join('\r\n')}`)
  await expect.poll(() => more, { timeout: 5000 }).toMatch(/^HTTP\/1\.1 200/)
})

test('A27 our own HTTP server waits only so long for a request', async () => {
  const { server } = await startServer()
  expect(server.io.httpServer).toMatchObject({ headersTimeout: 10_000, requestTimeout: 15_000 })
})
