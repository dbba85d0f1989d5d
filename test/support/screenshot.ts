import type { Browser } from 'playwright-core'
import { type Board, openBoard } from './browser.ts'
import type { TestServer } from './start-server.ts'

const WINDOW = { width: 672, height: 752 }
const PICTURE = { width: 1400, height: 800 }

export type Scheme = 'light' | 'dark'
const BEHIND: Record<Scheme, string> = { light: '#d9dee6', dark: '#2b3139' }

/** Pictures the demo in use: Ann's window and Ben's, side by side on one board. Resolves to a PNG. */
export async function screenshot(browser: Browser, server: TestServer, colorScheme: Scheme): Promise<Buffer> {
  const options = { viewport: WINDOW, colorScheme }
  const ann = await openBoard(browser, server, 'ann', options)
  const ben = await openBoard(browser, server, 'ben', options)
  await planLaunch(ann.board, ben.board)

  for (const { page } of [ann, ben]) await page.mouse.move(0, 0)
  // One after the other, each in front: Chromium may give up the drawing of a window that nobody sees.
  const shots: Buffer[] = []
  for (const { page } of [ann, ben]) {
    await page.bringToFront()
    shots.push(await page.screenshot())
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

/** A morning of two people before a launch. Each waits for what the other did, so the picture is always the same. */
async function planLaunch(ann: Board, ben: Board): Promise<void> {
  let seq = 0
  async function step(doing: Promise<void>): Promise<void> {
    await doing
    seq++
    await ann.expectSeq(seq)
    await ben.expectSeq(seq)
  }
  await step(ann.add('Agree on the launch date'))
  await step(ann.add('Write the announcement'))
  await step(ben.add('Pricing page copy'))
  await step(ben.add('Load test checkout'))
  await step(ann.add('Brief the support team'))
  await step(ann.move('Agree on the launch date', 'Doing'))
  await step(ann.move('Agree on the launch date', 'Done'))
  await step(ben.move('Load test checkout', 'Doing'))
  await step(ben.add('Status page for launch day'))
  await step(ann.move('Write the announcement', 'Doing'))
  await step(ben.move('Load test checkout', 'Done'))
  await step(ann.add('Invite the first customers'))
  await step(ben.rename('Pricing page copy', 'Pricing page, final copy'))
  await step(ben.move('Pricing page, final copy', 'Doing'))
}
