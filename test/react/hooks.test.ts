import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { createElement as element, type ReactNode } from 'react'
import { renderToString } from 'react-dom/server'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { ConveneProvider, useConnection, useFacts, usePublish } from '../../src/react/index.ts'
import { launchBrowser, openWindow } from '../support/browser.ts'
import { connect, expectEvent, expectNothing, expectReply, join } from '../support/connect.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const CHANNEL = 'project:p1'

let browser: Browser
let app: HttpServer
let pageUrl: string
beforeAll(async () => {
  browser = await launchBrowser()
  const bundle = await rolldown({
    input: fileURLToPath(new URL('page.ts', import.meta.url)),
    platform: 'browser',
    // The development build: only there does StrictMode mount everything twice.
    transform: { define: { 'process.env.NODE_ENV': '"development"' } },
    logLevel: 'silent',
  })
  const { output } = await bundle.generate({ format: 'iife' })
  // A server of its own, as an app has: the page's origin is not Convene's.
  app = createHttpServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(isScript ? output[0].code : '<!doctype html><body><script src="/page.js"></script>')
  })
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve))
  pageUrl = `http://127.0.0.1:${(app.address() as AddressInfo).port}`
})
afterAll(async () => {
  await browser.close()
  app.close()
})

/** What the page lets a test reach. */
interface Reachable {
  readonly requests: string[]
  mount(parts: string[]): void
  giveToken(token: string): void
  readonly client: { connect(): void }
}

/** Runs in the page, before its scripts: keeps the name of each request that leaves. */
function recordRequests(): void {
  const requests: string[] = []
  Object.assign(window, { requests } satisfies Partial<Reachable>)
  const { send } = WebSocket.prototype
  WebSocket.prototype.send = function (data) {
    const name = /^42\d*\["([^"]+)"/.exec(String(data))?.[1]
    if (name) requests.push(name)
    send.call(this, data)
  }
}

interface AppWindow {
  readonly page: Page
  /** The names of the requests it sent, in order. */
  requests(): Promise<string[]>
  mount(...parts: string[]): Promise<void>
  expectText(id: string, text: string): Promise<void>
}

/** Opens the app as somebody whom it has a token for, or, for nobody, asks the test for one. */
async function openApp(server: TestServer, userId?: string): Promise<AppWindow> {
  const { page } = await openWindow(browser, 'about:blank')
  await page.addInitScript(recordRequests)
  const token = userId === undefined ? {} : { token: tokenFor(userId) }
  await page.goto(`${pageUrl}/?${new URLSearchParams({ server: server.url, ...token })}`)
  await page
    .locator('#connection')
    .getByText(userId ? 'connected' : 'connecting', { exact: true })
    .waitFor()
  return {
    page,
    requests: () => page.evaluate(() => (window as unknown as Reachable).requests),
    async mount(...parts) {
      await page.evaluate((names) => (window as unknown as Reachable).mount(names), parts)
    },
    async expectText(id, text) {
      await page.locator(`#${id}`).getByText(text, { exact: true }).waitFor()
    },
  }
}

test('components that share a channel share one join, and the last to go leaves', async () => {
  const server = await startServer()
  const ben = await connect(server, 'ben')
  await join(ben, CHANNEL)
  const app = await openApp(server, 'ann')

  await app.mount('one', 'two')
  await expectEvent(ben, 'presence:join')
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'A' } })
  await app.expectText('one', '#1 A')
  await app.expectText('two', '#1 A')

  await app.mount('one')
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'B' } })
  // Each once, and by the newest handler: an old one would have forgotten A.
  await app.expectText('one', '#1 A, #2 B')

  // One for another in the same commit.
  await app.mount('three')
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'C' } })
  await app.expectText('three', '#3 C')
  await expectNothing(ben, 'presence:leave')
  expect(await app.requests()).toEqual(['channel:join'])

  await app.mount()
  await expectEvent(ben, 'presence:leave')
  expect(await app.requests()).toEqual(['channel:join', 'channel:leave'])

  await app.mount('four')
  await expectEvent(
    ben,
    'presence:join',
    () => ben.received.filter(({ event }) => event === 'presence:join').length > 1,
  )
  expect(await app.requests()).toEqual(['channel:join', 'channel:leave', 'channel:join'])
})

test('publishing joins by itself, and one’s own fact is not told again', async () => {
  const server = await startServer()
  const ben = await connect(server, 'ben')
  await join(ben, CHANNEL)
  const app = await openApp(server, 'ann')
  await app.mount('publisher')
  await app.page.getByRole('button', { name: 'Publish' }).click()
  await app.page.getByRole('button', { name: 'Publish stored #1' }).waitFor()
  await expectEvent(ben, 'task:create')

  await app.mount('publisher', 'one')
  await app.page.getByRole('button', { name: 'Publish' }).click()
  await app.page.getByRole('button', { name: 'Publish stored #2' }).waitFor()
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'Theirs' } })
  await app.expectText('one', '#3 Theirs')
  expect(await app.requests()).toEqual(['channel:join', 'task:create', 'task:create'])
})

test('a component is told why a channel does not let it in', async () => {
  const app = await openApp(await startServer(), 'ann')
  await app.mount('private')
  await app.expectText('private', 'forbidden')
})

test('who is refused and signs in anew is let into the channels that are on the page', async () => {
  const server = await startServer()
  const ben = await connect(server, 'ben')
  await join(ben, CHANNEL)
  const app = await openApp(server)
  const give = (token: string) => app.page.evaluate((given) => (window as unknown as Reachable).giveToken(given), token)

  await app.mount('one')
  await give('no token at all')
  await app.expectText('connection', 'refused')
  await app.expectText('one', 'unauthenticated')

  await app.page.evaluate(() => (window as unknown as Reachable).client.connect())
  await give(tokenFor('ann'))
  await expectEvent(ben, 'presence:join')
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'A' } })
  await app.expectText('one', '#1 A')
})

test('a lost server is seen in the connection, and what was missed comes once', async () => {
  const server = await startServer()
  const app = await openApp(server, 'ann')
  const ben = await connect(server, 'ben')
  await join(ben, CHANNEL)
  await app.mount('one')
  await expectEvent(ben, 'presence:join')
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'A' } })
  await app.expectText('one', '#1 A')

  const gone = expectEvent(ben, 'presence:leave')
  server.server.io
    .in(CHANNEL)
    .except(ben.socket.id ?? '')
    .disconnectSockets(true)
  await gone
  await expectReply(ben, 'task:create', { channel: CHANNEL, payload: { title: 'B' } })
  await app.expectText('one', '#1 A, #2 B')
  await app.expectText('connection', 'connected')
})

function Everything(): ReactNode {
  const refusal = useFacts(CHANNEL, '*', () => undefined)
  const publish = usePublish(CHANNEL)
  return `${useConnection()} ${typeof publish} ${refusal}`
}

test('on a server the hooks render, and reach for nothing', () => {
  const client = createClient({ url: 'http://localhost:1', token: 'none' })
  expect(renderToString(element(ConveneProvider, { client }, element(Everything)))).toBe('idle function undefined')
  expect(client.state).toBe('idle')
})

test('a hook without a provider says what is missing', () => {
  expect(() => renderToString(element(() => useConnection()))).toThrow('put a <ConveneProvider client={…}> above')
})
