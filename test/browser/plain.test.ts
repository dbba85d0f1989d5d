// [D3] The doors for plain WebSocket, as a page of a real browser sees them.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { cleanup } from '../support/cleanup.ts'
import { as } from '../support/plain.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const DOORS = ['/ws', '/api/community/ws', '/api/realtime', '/realtime'] as const

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

/** An empty page of another server, on this host. */
async function openPage(): Promise<{ page: Page; origin: string }> {
  const http = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<p>page'))
  http.listen(0, '127.0.0.1')
  cleanup(() => {
    http.closeAllConnections()
    http.close()
  })
  await new Promise((resolve) => http.once('listening', resolve))
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const context = await browser.newContext()
  cleanup(() => context.close())
  const page = await context.newPage()
  await page.goto(origin)
  return { page, origin }
}

interface Outcome {
  readonly opened: boolean
  readonly protocol: string
  /** Whether anything was heard. */
  readonly heard: boolean
  readonly code?: number
}

/** What comes of a WebSocket of the page: its first message, or its end. */
function tryFrom(page: Page, url: string, protocols: readonly string[] = []): Promise<Outcome> {
  return page.evaluate(
    ([url, protocols]) =>
      new Promise<Outcome>((resolve) => {
        const ws = new WebSocket(url, [...protocols])
        let opened = false
        ws.onopen = () => {
          opened = true
        }
        ws.onmessage = () => {
          resolve({ opened, protocol: ws.protocol, heard: true })
          ws.close()
        }
        ws.onclose = ({ code }) => resolve({ opened, protocol: ws.protocol, heard: false, code })
      }),
    [url, protocols] as const,
  )
}

describe.each(DOORS)('%s', (path) => {
  test('[D3] a page shows its token in the URL, or as a subprotocol, and the browser is content', async () => {
    const { page, origin } = await openPage()
    const server = await startServer({ allowedOrigins: [origin] })
    const url = server.url.replace('http', 'ws') + path
    const bearer = `bearer.${tokenFor('ann')}`
    expect(await tryFrom(page, url + as('ann'))).toEqual({ opened: true, protocol: '', heard: true })
    expect(await tryFrom(page, url, [bearer])).toEqual({ opened: true, protocol: bearer, heard: true })
    expect(await tryFrom(page, url, [bearer, 'chat'])).toEqual({ opened: true, protocol: 'chat', heard: true })
  })

  test('[CON7] a page whose origin is not allowed gets nowhere, with a token as well', async () => {
    const { page } = await openPage()
    const server = await startServer({ allowedOrigins: ['https://app.example.com'] })
    const url = server.url.replace('http', 'ws') + path
    const nowhere = { opened: false, protocol: '', heard: false, code: 1006 }
    expect(await tryFrom(page, url + as('ann'))).toEqual(nowhere)
    expect(await tryFrom(page, url, [`bearer.${tokenFor('ann')}`])).toEqual(nowhere)
  })
})
