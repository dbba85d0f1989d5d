import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import { expect, test } from 'vitest'
import { demoRoutes } from '../../../src/server/http/demo.ts'
import { cleanup } from '../../support/cleanup.ts'
import { connect } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'

const HTML = { headers: { Accept: 'text/html' } }

test('a browser gets the page, anybody else the health', async () => {
  const { url } = await startServer({ demo: true })
  const page = await fetch(url, HTML)
  expect(page.headers.get('content-type')).toContain('text/html')
  expect(page.headers.get('content-security-policy')).toContain("script-src 'self'")
  expect(await (await fetch(url)).json()).toMatchObject({ status: 'healthy' })

  const without = await startServer({ demo: false })
  expect(await (await fetch(without.url, HTML)).json()).toMatchObject({ status: 'healthy' })
  expect((await fetch(`${without.url}/demo/token`, { method: 'POST' })).status).toBe(404)
})

test('the page is found wherever it is installed, under ~/.npm/_npx too', async () => {
  const home = await mkdtemp(join(tmpdir(), 'convene-home-'))
  cleanup(() => rm(home, { recursive: true }))
  const root = join(home, '.npm', '_npx', 'convene')
  await mkdir(root, { recursive: true })
  await cp(fileURLToPath(new URL('../../../demo', import.meta.url)), join(root, 'demo'), { recursive: true })

  const http = createServer(
    express().use(demoRoutes({ root: root, secret: 'secret', issuer: undefined, audience: undefined })),
  )
  cleanup(() => http.close())
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  for (const path of ['/', '/demo/demo.js', '/demo/demo.css', '/demo/socket.io.js']) {
    expect((await fetch(url + path, HTML)).status, path).toBe(200)
  }
  expect(await (await fetch(`${url}/demo/socket.io.js`)).text()).toContain('as io')
})

test('tokens are for this computer, asked by its own name', async () => {
  const { url, port } = await startServer({ demo: true })
  const ask = (headers: Record<string, string>, body: string) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const asked = httpRequest(`${url}/demo/token`, { method: 'POST', headers }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => resolve({ status: response.statusCode, text }))
      })
      asked.on('error', reject)
      asked.end(body)
    })
  const json = { 'Content-Type': 'application/json' }
  const ann = JSON.stringify({ id: 'ann', name: 'Ann' })
  expect((await ask({ ...json, Host: `localhost:${port}` }, ann)).status).toBe(200)
  for (const headers of [{ Host: 'rebound.example' }, { 'X-Forwarded-For': '203.0.113.7' }]) {
    expect(await ask({ ...json, ...headers }, ann)).toMatchObject({
      status: 403,
      text: expect.stringContaining('this computer only'),
    })
  }
  expect((await ask(json, JSON.stringify({ id: 'Ann!', name: 'Ann' }))).status).toBe(400)
})

test('its tokens are those that the server wants', async () => {
  const server = await startServer({ demo: true, jwtIssuer: 'https://issuer.example', jwtAudience: 'convene' })
  const response = await fetch(`${server.url}/demo/token`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ id: 'ann', name: 'Ann' }),
  })
  const { token } = (await response.json()) as { token: string }
  expect((await connect(server, 'ann', { token })).connected.userId).toBe('ann')
})
