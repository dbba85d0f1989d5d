import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openBoard } from '../support/browser.ts'
import { connect, expectReply, join } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { ChatPanel } from './chat-panel.ts'

const CHANNEL = 'project:demo'
const PATIENCE = { timeout: 20_000 }

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

/** What has the focus, by its label or else its id. */
function focused(page: Page): Promise<string | undefined> {
  return page.evaluate(() => document.activeElement?.ariaLabel ?? document.activeElement?.id)
}

test('a task that is deleted while one renames it is not renamed, and one is told who deleted it', async () => {
  const server = await startServer({ demo: true })
  const ann = await openBoard(browser, server, 'ann')
  const ben = await openBoard(browser, server, 'ben')
  await ann.board.add('Draft')
  await ben.board.expectColumn('To do', ['Draft'])
  await ann.page.getByRole('button', { name: 'Rename ‘Draft’' }).click()
  const input = ann.page.getByLabel('New name of ‘Draft’')
  await input.fill('Half a na')
  await ben.page.getByText('Ann is renaming this…').waitFor()

  // Somebody moving it is no reason to stop.
  await ben.board.move('Draft', 'Doing')
  await ann.page.getByRole('region', { name: 'Doing' }).locator('.task').waitFor()
  await expect.poll(() => focused(ann.page), PATIENCE).toBe('New name of ‘Draft’')
  await ann.page.keyboard.type('me')
  expect(await input.inputValue()).toBe('Half a name')

  await ben.board.delete('Draft')
  const alert = ann.page.getByRole('alert')
  await alert.getByText('Ben deleted the task you were renaming', { exact: true }).waitFor()
  expect(await input.count()).toBe(0)
  expect(await focused(ann.page)).toBe('refusal')
  await ann.board.add('Another')
  await alert.waitFor({ state: 'hidden' })
  await ben.board.expectColumn('To do', ['Another'])
  const story = [
    '#4 Ann added ‘Another’',
    '#3 Ben deleted ‘Draft’',
    '#2 Ben moved ‘Draft’ to Doing',
    '#1 Ann added ‘Draft’',
  ]
  for (const { board } of [ann, ben]) await expect.poll(() => board.facts(), PATIENCE).toEqual(story)
  expect([...ann.complaints, ...ben.complaints]).toEqual([])
})

test('a message that is deleted elsewhere while one edits it stays deleted, and one is told', async () => {
  const server = await startServer({ demo: true })
  const [here, there] = [await openBoard(browser, server, 'ann'), await openBoard(browser, server, 'ann')]
  const [chat, other] = [new ChatPanel(here.page), new ChatPanel(there.page)]
  await chat.write('Tuesday')
  await there.board.expectSeq(1)
  await here.page.getByRole('button', { name: 'Edit ‘Tuesday’' }).press('Enter')
  await here.page.getByLabel('Your message').fill('Wednes')

  await other.delete('Tuesday')
  await here.page.getByRole('alert').getByText('The message you were editing was deleted', { exact: true }).waitFor()
  await expect.poll(() => chat.messages(), PATIENCE).toEqual(['Ann: This message was deleted'])
  expect(await here.page.getByLabel('Your message').count()).toBe(0)
  expect(await focused(here.page)).toBe('refusal')
  expect(await here.board.facts()).toEqual(['#2 Ann deleted a message', '#1 Ann wrote a message'])
})

test('without a server nobody is shown as being here', async () => {
  const server = await startServer({ demo: true })
  const ann = await openBoard(browser, server, 'ann')
  const ben = await openBoard(browser, server, 'ben')
  const here = (page: Page) => page.getByRole('list', { name: 'People who are here', exact: true })
  const opacity = () => ann.page.locator('#people').evaluate((people) => Number(getComputedStyle(people).opacity))
  await ann.board.expectPeople(['Ann (you)', 'Ben'])
  await here(ann.page).waitFor()
  expect(await opacity()).toBe(1)

  await server.server.close()
  await ann.board.expectState('away')
  await ann.page.getByRole('list', { name: 'People who were here when the connection was lost' }).waitFor()
  expect(await opacity()).toBeLessThan(1)
  await startServer({ demo: true, port: server.port })
  await ann.board.expectState('live')
  await here(ann.page).waitFor()
  expect(await opacity()).toBe(1)
  for (const { context } of [ann, ben]) await context.close()
})

test('what changes a task that is gone is told in words', async () => {
  const server = await startServer({ demo: true })
  const { board } = await openBoard(browser, server, 'ann')
  const client = await connect(server, 'cleo')
  await join(client, CHANNEL)
  await expectReply(client, 'task:update', { channel: CHANNEL, payload: { id: 'gone', title: 'Too late' } })
  await board.expectSeq(1)
  expect(await board.facts()).toEqual(['#1 cleo changed a task that is gone'])
})
