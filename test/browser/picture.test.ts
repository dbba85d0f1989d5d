import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../support/browser.ts'
import { startServer } from '../support/start-server.ts'
import { type Scheme, screenshot } from './screenshot.ts'

// The README's: PICTURE=docs/demo.png npx vitest run test/browser/picture.test.ts
const { PICTURE } = process.env

let browser: Browser
let folder: string
beforeAll(async () => {
  browser = await launchBrowser()
  folder = await mkdtemp(join(tmpdir(), 'convene-picture-'))
})
afterAll(async () => {
  await browser.close()
  await rm(folder, { recursive: true })
})

test.for<Scheme>(['light', 'dark'])('the demo can be pictured in %s', async (scheme) => {
  const picture = await screenshot(browser, await startServer({ demo: true }), scheme)
  const file = scheme === 'light' && PICTURE ? PICTURE : join(folder, `${scheme}.png`)
  await writeFile(file, picture)
  if (PICTURE && scheme === 'dark') await writeFile('/tmp/demo-dark.png', picture)

  expect(picture.length).toBeGreaterThan(10_000)
  expect(picture.length).toBeLessThan(300_000)
  // A PNG tells its size at the 16th byte.
  expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([1400, 800])
})
