import type { Browser, Page } from 'playwright-core'
import { type Board, openBoard } from '../support/browser.ts'
import type { TestServer } from '../support/start-server.ts'
import { ChatPanel } from './chat-panel.ts'

const ANN = { width: 960, height: 752 }
const BEN = { width: 368, height: 752 }
const PICTURE = { width: 1400, height: 800 }

export type Scheme = 'light' | 'dark'
const BEHIND: Record<Scheme, string> = { light: '#d9dee6', dark: '#2b3139' }

/** Pictures the demo in use: Ann's window, and Ben's, which is a narrow one. Resolves to a PNG. */
export async function screenshot(browser: Browser, server: TestServer, colorScheme: Scheme): Promise<Buffer> {
  const options = { colorScheme, locale: 'en-GB' }
  const ann = await openBoard(browser, server, 'ann', { ...options, viewport: ANN })
  const ben = await openBoard(browser, server, 'ben', { ...options, viewport: BEN })
  const people = [ann, ben].map(({ board, page }) => ({ board, chat: new ChatPanel(page) }))
  await planLaunch(people as [Person, Person])
  await ben.page.locator('#chat').evaluate((chat) => {
    const { bottom } = chat.getBoundingClientRect()
    scrollBy(0, bottom + 16 - innerHeight)
  })

  // One after the other, each in front: Chromium may give up the drawing of a window that nobody sees.
  const shots: Buffer[] = []
  for (const { page } of [ben, ann]) {
    await page.bringToFront()
    if (page === ann.page) await point(ben.page, ann.page)
    shots.unshift(await page.screenshot())
  }
  // Only then: whoever leaves is gone from the other's picture.
  for (const { context } of [ann, ben]) await context.close()
  const table = await browser.newPage({ viewport: PICTURE })
  const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString('base64')}" alt="">`)
  await table.setContent(`
    <style>
      body { display: flex; gap: 24px; justify-content: center; margin: 0; padding: 24px 16px; background: ${BEHIND[colorScheme]} }
      img { border-radius: 10px; box-shadow: 0 6px 24px rgb(10 20 35 / 18%) }
    </style>
    ${images.join('')}`)
  const picture = await table.screenshot()
  await table.close()
  return picture
}

interface Person {
  readonly board: Board
  readonly chat: ChatPanel
}

/** A morning of two people before a launch. Each waits for what the other did, so the picture is always the same. */
async function planLaunch([ann, ben]: readonly [Person, Person]): Promise<void> {
  let seq = 0
  async function step(doing: Promise<void>): Promise<void> {
    await doing
    seq++
    await ann.board.expectSeq(seq)
    await ben.board.expectSeq(seq)
  }
  await step(ann.board.add('Agree on the launch date'))
  await step(ann.board.add('Write the announcement'))
  await step(ben.board.add('Pricing page copy'))
  await step(ben.board.add('Load test checkout'))
  await step(ann.board.add('Brief the support team'))
  await step(ann.chat.write('Morning! They agreed to the date: Tuesday, 9:00.'))
  await step(ann.board.move('Agree on the launch date', 'Doing'))
  await step(ann.board.move('Agree on the launch date', 'Done'))
  await step(ben.board.move('Load test checkout', 'Doing'))
  await step(ben.chat.write('Great news'))
  await step(ben.board.add('Status page for launch day'))
  await step(ben.chat.write('Checkout held 3,000 orders a minute all night.'))
  await step(ann.chat.write('Then it is done, is it not?'))
  await step(ann.board.move('Write the announcement', 'Doing'))
  await step(ann.board.add('Invite the first customers'))
  await step(ben.board.rename('Pricing page copy', 'Pricing page, final copy'))
  await step(ben.board.move('Load test checkout', 'Done'))
  await step(ben.chat.write('It is. I take the pricing page next.'))
  await step(ann.chat.write('Thank you! I send the announcement round at noon.'))
  await step(
    ann.chat.edit('Thank you! I send the announcement round…', 'Thank you! I send the announcement round at eleven.'),
  )
  await step(ben.board.move('Pricing page, final copy', 'Doing'))
  await ann.chat.page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  await ben.chat.input.pressSequentially('Perfect, then')
  await ann.chat.typing.getByText('Ben is typing…').waitFor()
}

/** Somebody points at a card, and the other sees it. */
async function point(from: Page, to: Page): Promise<void> {
  const card = from.locator('.task', { hasText: 'Pricing page' })
  await card.scrollIntoViewIfNeeded()
  const box = await card.boundingBox()
  if (!box) throw new Error('expected the card to be on the page')
  await from.mouse.move(box.x + box.width * 0.42, box.y + box.height * 0.88)
  const cursor = to.locator('.cursor')
  await cursor.waitFor()
  // It glides to its place.
  await cursor.evaluate((element) => Promise.all(element.getAnimations().map(({ finished }) => finished)))
}
