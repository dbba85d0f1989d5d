import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { cleanup } from './cleanup.ts'
import type { TestServer } from './start-server.ts'

// No sandbox: tests run as root in a container. The rest keeps Chromium from talking to anybody but the test's server.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // A window behind another is drawn like the one in front, or there would be no picture of it.
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
]

/** A real Chromium, headless. Whoever launches it closes it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: FLAGS })
}

export interface Window {
  readonly page: Page
  readonly context: BrowserContext
  /** What went wrong in the page: errors thrown, and what its content security policy refused. */
  readonly complaints: string[]
}

/** Opens a page in a window of its own, closed when the test ends. */
export async function openWindow(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Window> {
  const context = await browser.newContext(options)
  cleanup(() => context.close())
  context.setDefaultTimeout(25_000)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text())
  })
  await page.goto(url)
  return { page, context, complaints }
}

/** The demo board as one person sees it, once it is live. */
export async function openBoard(
  browser: Browser,
  server: Pick<TestServer, 'url'>,
  name: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Window & { readonly board: Board }> {
  const window = await openWindow(browser, `${server.url}/?as=${name}`, options)
  const board = new Board(window.page)
  await board.expectState('live')
  return { ...window, board }
}

/** What a person does on the demo board, by the labels a person goes by. */
export class Board {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  async add(title: string): Promise<void> {
    await this.page.getByLabel('A new task').fill(title)
    await this.page.getByRole('button', { name: 'Add' }).click()
  }

  async move(title: string, to: string): Promise<void> {
    await this.page.getByRole('button', { name: `Move ‘${title}’ to ${to}`, exact: true }).click()
  }

  async rename(title: string, to: string): Promise<void> {
    await this.page.getByRole('button', { name: `Rename ‘${title}’`, exact: true }).click()
    await this.page.getByLabel(`New name of ‘${title}’`).fill(to)
    await this.page.keyboard.press('Enter')
  }

  async delete(title: string): Promise<void> {
    await this.page.getByRole('button', { name: `Delete ‘${title}’`, exact: true }).click()
  }

  /** Waits until a column holds exactly these tasks, in this order. */
  async expectColumn(name: string, titles: readonly string[]): Promise<void> {
    await this.#until(() => this.column(name), titles, `the column ${name}`)
  }

  column(name: string): Promise<string[]> {
    return this.page.getByRole('region', { name }).locator('.task .title').allTextContents()
  }

  /** Waits until exactly these people are here. */
  async expectPeople(names: readonly string[]): Promise<void> {
    const labels = async () => {
      const all = await this.page
        .locator('#people [role=img]')
        .evaluateAll((items) => items.map((item) => item.ariaLabel))
      return all.toSorted()
    }
    await this.#until(labels, names.toSorted(), 'the people here')
  }

  async expectState(state: 'connecting' | 'live' | 'away' | 'refused'): Promise<void> {
    await this.page.locator(`#state[data-state=${state}]`).waitFor()
  }

  /** Waits until the board has taken in the fact of this seq. */
  async expectSeq(seq: number): Promise<void> {
    await this.page.getByText(`Last fact #${seq}`, { exact: true }).waitFor()
  }

  /** The last facts, the newest first, as the page tells them. */
  async facts(): Promise<string[]> {
    return this.page.locator('#facts li').allTextContents()
  }

  async #until(read: () => Promise<unknown[]>, wanted: readonly unknown[], what: string): Promise<void> {
    const deadline = Date.now() + 25_000
    for (;;) {
      const now = await read()
      if (JSON.stringify(now) === JSON.stringify(wanted)) return
      if (Date.now() > deadline) {
        throw new Error(`expected ${what} to be ${JSON.stringify(wanted)}; is ${JSON.stringify(now)}`)
      }
      await this.page.waitForTimeout(20)
    }
  }
}
