import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openBoard } from '../support/browser.ts'
import { connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'

const CHANNEL = 'project:demo'
const PATIENCE = { timeout: 20_000 }

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

test('who says much is named again after ten more, and the buttons cover no word of it', async () => {
  const server = await startServer({ demo: true })
  const client = await connect(server, 'ann')
  await join(client, CHANNEL)
  for (let i = 0; i < 13; i++) {
    const id = `m${i}`
    const content = 'word '.repeat(i + 2).trim()
    await expectReply(client, 'message:send', { channel: CHANNEL, payload: { id, content: 'short' } })
    await expectReply(client, 'message:edit', { channel: CHANNEL, payload: { messageId: id, content } })
  }
  for (const width of [1200, 400]) {
    const { page } = await openBoard(browser, server, 'ann', { viewport: { width, height: 800 } })
    const messages = page.locator('#messages > li')
    await expect.poll(() => messages.count(), PATIENCE).toBe(13)
    const named = await messages.evaluateAll((items) =>
      items.flatMap((item, index) => (item.querySelector('.head')?.checkVisibility() ? [index] : [])),
    )
    expect(named).toEqual([0, 11])
    const covered = await messages.evaluateAll((items) =>
      items.flatMap((item, index) => {
        const actions = item.querySelector('.actions')?.getBoundingClientRect()
        const words = [...item.querySelectorAll('.author, .time, .text, .edited')].flatMap((part) => [
          ...part.getClientRects(),
        ])
        // Half a pixel is the space around letters.
        const isCovered = words.some(
          (word) =>
            !actions ||
            (word.right > actions.left + 0.5 && word.top < actions.bottom - 0.5 && word.bottom > actions.top + 0.5),
        )
        return isCovered ? [index] : []
      }),
    )
    expect(covered).toEqual([])
  }
})

test('a third person has a colour of their own', async () => {
  const server = await startServer({ demo: true })
  const { page, board } = await openBoard(browser, server, 'ann')
  for (const name of ['ben', 'carl']) await openBoard(browser, server, name)
  await board.expectPeople(['Ann (you)', 'Ben', 'Carl'])
  const colours = await page
    .locator('#people li')
    .evaluateAll((items) => items.map((item) => getComputedStyle(item).backgroundColor))
  expect(colours.slice(0, 2)).toEqual(['rgb(42, 111, 151)', 'rgb(161, 61, 99)'])
  expect(new Set(colours).size).toBe(3)
})
