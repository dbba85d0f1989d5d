import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openBoard } from '../support/browser.ts'
import { startServer } from '../support/start-server.ts'

const PATIENCE = { timeout: 20_000 }

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

/** Where something is on the page. */
async function placeOf(page: Page, selector: string) {
  const box = await page.locator(selector).boundingBox()
  if (!box) throw new Error(`expected ${selector} to be on the page`)
  return box
}

const CARD = '.task'
const DONE = '[data-spot="column done"]'

/** Points at parts of something's width and height. */
async function pointAt(page: Page, selector: string, x: number, y: number): Promise<void> {
  const box = await placeOf(page, selector)
  await page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 5 })
}

/** How far the other's cursor stands from where it should, in px. */
async function offBy(page: Page, selector: string, x: number, y: number): Promise<number> {
  if ((await page.locator('.cursor').count()) === 0) return Number.POSITIVE_INFINITY
  const box = await placeOf(page, selector)
  const cursor = await placeOf(page, '.cursor')
  return Math.hypot(cursor.x - (box.x + box.width * x), cursor.y - (box.y + box.height * y))
}

test('each sees where the other points, in a window of any width, until they rest or leave', async () => {
  const server = await startServer({ demo: true })
  const ann = await openBoard(browser, server, 'ann', { viewport: { width: 1200, height: 800 } })
  const ben = await openBoard(browser, server, 'ben', { viewport: { width: 500, height: 800 } })
  await ann.board.expectPeople(['Ann (you)', 'Ben'])
  await ann.board.add('Point here')
  await ben.board.expectColumn('To do', ['Point here'])

  await pointAt(ann.page, CARD, 0.5, 0.75)
  await expect.poll(() => offBy(ben.page, CARD, 0.5, 0.75), PATIENCE).toBeLessThan(2)
  expect(await ben.page.locator('.cursor').textContent()).toBe('Ann')
  expect(await ann.page.locator('.cursor').count()).toBe(0)
  // The last place counts, however fast it was reached.
  await pointAt(ann.page, DONE, 0.25, 0.5)
  await expect.poll(() => offBy(ben.page, DONE, 0.25, 0.5), PATIENCE).toBeLessThan(2)
  await expect.poll(() => ben.page.locator('.cursor').count(), PATIENCE).toBe(0)

  // What lies below can still be clicked.
  const move = 'Move ‘Point here’ to Doing'
  await ben.page.getByRole('button', { name: move }).hover()
  await ann.page.locator('.cursor').waitFor()
  await ann.page.getByRole('button', { name: move }).click()
  await ben.board.expectColumn('Doing', ['Point here'])
  await pointAt(ben.page, CARD, 0.1, 0.1)
  await expect.poll(() => offBy(ann.page, CARD, 0.1, 0.1), PATIENCE).toBeLessThan(2)
  await ben.context.close()
  await ann.board.expectPeople(['Ann (you)'])
  expect(await ann.page.locator('.cursor').count()).toBe(0)
  expect([...ann.complaints, ...ben.complaints]).toEqual([])
})

test('it tells at most about 20 places a second', async () => {
  const server = await startServer({ demo: true })
  const { page } = await openBoard(browser, server, 'ann')
  const board = await placeOf(page, '#columns')
  let told = 0
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  session.on('Network.webSocketFrameSent', ({ response }) => {
    if (response.payloadData.includes('"cursor"')) told++
  })
  const began = performance.now()
  let moves = 0
  while (performance.now() - began < 1000) {
    await page.mouse.move(board.x + 20 + (moves % 50), board.y + 20)
    moves++
  }
  await expect.poll(() => told, PATIENCE).toBeGreaterThan(1)
  // One at once, one each 50 ms, and one at the end; a machine that is slow tells fewer.
  const seconds = (performance.now() - began) / 1000
  expect(moves).toBeGreaterThan(told)
  expect(told).toBeLessThanOrEqual(20 * seconds + 2)
})

test('[PRE2] who gives a task a new name is seen doing it', async () => {
  const server = await startServer({ demo: true })
  const ann = await openBoard(browser, server, 'ann')
  await ann.board.add('Draft')
  const ben = await openBoard(browser, server, 'ben')
  await ben.page.getByRole('button', { name: 'Rename ‘Draft’' }).click()
  await ann.page.getByText('Ben is renaming this…').waitFor()
  // Known to whoever comes meanwhile, too.
  const cleo = await openBoard(browser, server, 'cleo')
  await cleo.page.getByText('Ben is renaming this…').waitFor()
  await ben.page.getByLabel('New name of ‘Draft’').fill('Final')
  await ben.page.keyboard.press('Enter')
  await ann.board.expectColumn('To do', ['Final'])
  for (const { page } of [ann, cleo]) await page.getByText('Ben is renaming this…').waitFor({ state: 'hidden' })
})
