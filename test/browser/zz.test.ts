import { afterAll, beforeAll, test } from 'vitest'
import { launchBrowser, openBoard, openWindow } from '../support/browser.ts'
import { startServer } from '../support/start-server.ts'
let browser: any
beforeAll(async () => { browser = await launchBrowser() })
afterAll(() => browser.close())
test('x', async () => {
  const server = await startServer({ demo: true, maxConnectionsPerUser: 1, logLevel: 'info' })
  const first = await openBoard(browser, server, 'ann')
  const ctx = await browser.newContext(); const page = await ctx.newPage()
  page.on('console', (m: any) => console.log('DBG', m.text()))
  page.on('pageerror', (m: any) => console.log('DBG', m.stack))
  page.on('request', (m: any) => console.log('DBG', Date.now()%100000, m.method(), m.url()))
  page.on('websocket', (m: any) => { console.log('DBG ws', m.url()); m.on('framesent', (f: any) => console.log('DBG >', f.payload.slice(0,40)));m.on('framereceived', (f: any) => console.log('DBG <', f.payload.slice(0,150))); m.on('close',()=>console.log('DBG close'))})
  await page.goto(`${server.url}/?as=ann`)
  await page.getByText('Too many connections. Trying again…').waitFor()
  await first.context.close()
  await page.waitForTimeout(4000)
  console.log('DBG', await page.locator('#state').textContent(), server.server.io.engine.clientsCount)
})
