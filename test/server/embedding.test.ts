import { createServer as createHttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { expect, test } from 'vitest'
import { createServer } from '../../src/server/server.ts'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectEvent, join } from '../support/connect.ts'
import { SECRET, startServer } from '../support/start-server.ts'

const options = { jwtSecrets: [SECRET], databaseUrl: 'sqlite::memory:', logLevel: 'silent' } as const

test('attach serves an app that has its own HTTP server, which stays the app’s', async () => {
  const app = express()
  app.get('/mine', (_request, response) => void response.json({ mine: true }))
  const http = createHttpServer(app)
  const convene = createServer(options)
  expect(() => convene.publish('project:p1', { type: 'a:b', payload: {} })).toThrow(/not running yet/)
  await convene.attach(http)
  app.use('/convene', convene.handler)
  http.listen(0, '127.0.0.1')
  cleanup(() => new Promise((resolve) => http.close(resolve)))
  cleanup(() => convene.close())
  await new Promise((resolve) => http.once('listening', resolve))
  const { port } = http.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`

  const ann = await connect({ url }, 'ann')
  await join(ann, 'project:p1')
  await convene.publish('project:p1', { type: 'task:update', payload: { n: 1 } })
  expect(await expectEvent(ann, 'task:update')).toMatchObject({ seq: 1, payload: { n: 1 } })
  expect(await (await fetch(`${url}/convene/health`)).json()).toMatchObject({ service: 'Convene', connections: 1 })
  expect(await (await fetch(`${url}/mine`)).json()).toEqual({ mine: true })

  const gone = new Promise((resolve) => ann.socket.once('disconnect', resolve))
  await convene.close()
  await gone
  expect(await (await fetch(`${url}/mine`)).json()).toEqual({ mine: true })
})

test('two servers in one process share nothing', async () => {
  const [one, two] = [await startServer({ serverId: 'one' }), await startServer({ serverId: 'two' })]
  const [ann, ben] = [await connect(one, 'ann'), await connect(two, 'ben')]
  const [first, second] = [await join(ann, 'project:p1'), await join(ben, 'project:p1')]
  expect(first.epoch).not.toBe(second.epoch)
  await one.server.publish('project:p1', { type: 'a:b', payload: {} })
  await two.server.publish('project:p1', { type: 'c:d', payload: {} })
  await expectEvent(ann, 'a:b')
  await expectEvent(ben, 'c:d')
  expect(ann.received.map(({ event }) => event)).not.toContain('c:d')
  expect(ann.connected.serverId).toBe('one')
})

test('closing twice is closing once, and one that did not start closes too', async () => {
  const server = createServer({ ...options, port: 0 })
  await server.listen()
  await Promise.all([server.close(), server.close()])
  await server.close()
  const taken = await startServer()
  const late = createServer({ ...options, port: taken.port })
  await expect(late.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await late.close()
  const scraped = createServer({ ...options, port: 0, metricsPort: taken.port })
  await expect(scraped.listen()).rejects.toThrow(/METRICS_PORT cannot be listened on \(EADDRINUSE\)/)
  await scraped.close()
  const wrong = createServer({ ...options, databaseUrl: 'sqlite:/dev/null/convene.db' })
  await expect(wrong.listen()).rejects.toThrow()
  await wrong.close()
  await createServer(options).close()
})
