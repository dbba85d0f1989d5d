import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openBoard, openWindow } from '../support/browser.ts'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectReply, join as joinChannel } from '../support/connect.ts'
import { startServer, type TestServer } from '../support/start-server.ts'

const CHANNEL = 'project:demo'

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

/** Publishes as an app's server does. */
async function publish(server: TestServer, type: string, payload: Record<string, unknown>): Promise<void> {
  const response = await fetch(`${server.url}/api/v1/channels/${CHANNEL}/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ type, payload }),
  })
  expect(response.status).toBe(200)
}

async function temporaryFile(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'convene-demo-'))
  cleanup(() => rm(folder, { recursive: true }))
  return join(folder, name)
}

test('two people see each other come and go, and each other’s work in order', async () => {
  const server = await startServer({ demo: true })
  const { board: ann, complaints: annComplains } = await openBoard(browser, server, 'ann')
  await ann.expectPeople(['Ann (you)'])
  const { board: ben, complaints: benComplains, context: bensWindow } = await openBoard(browser, server, 'ben')
  await ben.expectPeople(['Ann', 'Ben (you)'])
  await ann.expectPeople(['Ann (you)', 'Ben'])

  await ann.add('Write the announcement')
  await ben.expectColumn('To do', ['Write the announcement'])
  await ben.rename('Write the announcement', 'Publish the announcement')
  await ann.expectColumn('To do', ['Publish the announcement'])
  await ann.move('Publish the announcement', 'Doing')
  await ben.expectColumn('Doing', ['Publish the announcement'])
  await ben.add('Load test checkout')
  await ann.expectColumn('To do', ['Load test checkout'])
  await ann.delete('Load test checkout')
  await ben.expectColumn('To do', [])

  const story = [
    '#5 Ann deleted ‘Load test checkout’',
    '#4 Ben added ‘Load test checkout’',
    '#3 Ann moved ‘Publish the announcement’ to Doing',
    '#2 Ben renamed ‘Write the announcement’ to ‘Publish the announcement’',
    '#1 Ann added ‘Write the announcement’',
  ]
  await ann.expectSeq(5)
  expect(await ann.facts()).toEqual(story)
  expect(await ben.facts()).toEqual(story)
  // Told to a screen reader: what came from the other.
  expect(await ben.page.locator('[aria-live=polite]').textContent()).toBe('Ann deleted ‘Load test checkout’')

  await bensWindow.close()
  await ann.expectPeople(['Ann (you)'])
  expect(annComplains).toEqual([])
  expect(benComplains).toEqual([])
})

test('somebody who opens the board later sees it as it has become', async () => {
  const server = await startServer({ demo: true })
  const client = await connect(server, 'cleo')
  await joinChannel(client, CHANNEL)
  for (const id of ['a', 'b', 'c']) {
    await expectReply(client, 'task:create', { channel: CHANNEL, payload: { id, title: `Task ${id}`, status: 'todo' } })
  }
  await expectReply(client, 'task:move', { channel: CHANNEL, payload: { taskId: 'a', status: 'done' } })
  await expectReply(client, 'task:delete', { channel: CHANNEL, payload: { taskId: 'b' } })
  await expectReply(client, 'task:update', { channel: CHANNEL, payload: { id: 'c', title: 'Renamed' } })

  const { board } = await openBoard(browser, server, 'ann')
  await board.expectColumn('To do', ['Renamed'])
  await board.expectColumn('Doing', [])
  await board.expectColumn('Done', ['Task a'])
  await board.expectSeq(6)
})

test('[SEQ3] [JOIN3] after a restart both come back to what they missed, once, and what they did meanwhile is kept', async () => {
  const databaseUrl = `sqlite:${await temporaryFile('convene.db')}`
  const first = await startServer({ demo: true, databaseUrl })
  const { board: ann, context: annsWindow } = await openBoard(browser, first, 'ann')
  const { board: ben, context: bensWindow } = await openBoard(browser, first, 'ben')
  await ann.add('Before')
  await ben.expectColumn('To do', ['Before'])

  await first.server.close()
  await ann.expectState('away')
  await ben.expectState('away')
  await ann.add('While nobody listened')
  await ann.add('Also')
  await ann.delete('Also')
  await ann.page.getByText('3 changes wait for the server').waitFor()
  await ann.expectColumn('To do', ['Before', 'While nobody listened'])
  expect(await ann.page.locator('.task.waits .title').allTextContents()).toEqual(['While nobody listened'])

  // On another port, so that nobody can come back before it is published.
  const elsewhere = await startServer({ databaseUrl })
  await publish(elsewhere, 'task:create', { id: 'missed', title: 'Missed', status: 'doing' })
  await publish(elsewhere, 'task:update', { id: 'missed', title: 'Missed and renamed' })
  await publish(elsewhere, 'task:move', { taskId: 'missed', status: 'done' })
  await elsewhere.server.close()

  await startServer({ demo: true, databaseUrl, port: first.port })
  for (const board of [ann, ben]) {
    await board.expectSeq(7)
    await board.expectState('live')
    expect(await board.page.locator('#waiting').isVisible()).toBe(false)
    expect(await board.page.locator('.task.waits').count()).toBe(0)
    await board.expectColumn('To do', ['Before', 'While nobody listened'])
    await board.expectColumn('Done', ['Missed and renamed'])
    expect(await board.facts()).toEqual([
      '#7 Ann deleted ‘Also’',
      '#6 Ann added ‘Also’',
      '#5 Ann added ‘While nobody listened’',
      '#4 The server moved ‘Missed and renamed’ to Done',
      '#3 The server renamed ‘Missed’ to ‘Missed and renamed’',
      '#2 The server added ‘Missed’',
    ])
    await board.expectPeople([board === ann ? 'Ann (you)' : 'Ann', board === ben ? 'Ben (you)' : 'Ben'])
  }
  for (const window of [annsWindow, bensWindow]) await window.close()
})

test('a window whose changes wait asks before it is closed; one without does not', async () => {
  const server = await startServer({ demo: true })
  const { board } = await openBoard(browser, server, 'ann')
  const asked: string[] = []
  board.page.on('dialog', (dialog) => {
    asked.push(dialog.type())
    void dialog.accept()
  })
  await board.page.getByText('Nothing here yet').waitFor()
  await board.add('Stored')
  await board.expectSeq(1)
  expect(await board.page.getByText('Nothing here yet').isVisible()).toBe(false)
  await board.page.reload()
  await board.expectSeq(1)
  expect(asked).toEqual([])

  await server.server.close()
  await board.expectState('away')
  await board.add('Waiting')
  await board.page.close({ runBeforeUnload: true })
  await expect.poll(() => asked).toEqual(['beforeunload'])
})

test('[JOIN4] [SEQ5] a log that is another one is begun anew', async () => {
  const first = await startServer({ demo: true })
  const { board, context } = await openBoard(browser, first, 'ann')
  await board.add('Of the old log')
  await board.expectColumn('To do', ['Of the old log'])
  await first.server.close()
  await board.expectState('away')

  // In memory: what was there is gone.
  const elsewhere = `sqlite:${await temporaryFile('other.db')}`
  const between = await startServer({ databaseUrl: elsewhere })
  await publish(between, 'task:create', { id: 'new', title: 'Of the new log', status: 'doing' })
  await between.server.close()
  await startServer({ demo: true, databaseUrl: elsewhere, port: first.port })

  await board.expectColumn('Doing', ['Of the new log'])
  await board.expectColumn('To do', [])
  expect(await board.facts()).toEqual(['#1 The server added ‘Of the new log’'])
  await context.close()
})

test('[A25] what others write is text, whatever they write', async () => {
  const hostile = '<img src=x onerror="document.title=\'owned\'">'
  const server = await startServer({ demo: true })
  const { board, complaints } = await openBoard(browser, server, 'ann')
  const { page } = board
  const client = await connect(server, '<b>eve</b>')
  await joinChannel(client, CHANNEL)
  await expectReply(client, 'task:create', {
    channel: CHANNEL,
    payload: { id: '"><script>', title: hostile, status: 'todo' },
  })
  await expectReply(client, 'task:update', { channel: CHANNEL, payload: { id: '"><script>', title: `${hostile}!` } })
  await expectReply(client, 'task:create', { channel: CHANNEL, payload: { id: 7, title: {}, status: '__proto__' } })

  await board.expectSeq(3)
  await board.expectColumn('To do', [`${hostile}!`])
  await board.expectPeople(['Ann (you)', '<b>eve</b>'])
  await page.getByRole('button', { name: `Rename ‘${hostile}!’`, exact: true }).click()
  expect(await page.locator('img, b b, script:not([src])').count()).toBe(0)
  expect(await page.title()).toBe('Ann · Convene demo')
  // Refused by the page's policy would be too late: nothing may have tried.
  expect(complaints).toEqual([])
})

test('without a name it offers two people', async () => {
  const server = await startServer({ demo: true })
  const { page, complaints } = await openWindow(browser, server.url)
  const [popup] = await Promise.all([
    page.waitForEvent('popup'),
    page.getByRole('link', { name: 'Open as Ben' }).click(),
  ])
  await popup.getByText('You are Ben').waitFor()
  await popup.locator('#state[data-state=live]').waitFor()
  expect(complaints).toEqual([])
})

test('it says in plain words why it cannot be used', async () => {
  const noSecret = await startServer({ demo: true, jwtSecrets: [], jwksUrl: 'https://keys.example/jwks.json' })
  const unsigned = await openWindow(browser, `${noSecret.url}/?as=ann`)
  await unsigned.page.getByText('No token for Ann: The demo cannot sign tokens').waitFor()

  const guarded = await startServer({ demo: true, access: 'claims' })
  const shutOut = await openWindow(browser, `${guarded.url}/?as=ann`)
  await shutOut.page.locator('#state[data-state=refused]').waitFor()
  expect(await shutOut.page.locator('#state').textContent()).toMatch(/project:demo/)
})

test('[CON2] refused for now, it says so and tries again until it is let in', async () => {
  const server = await startServer({ demo: true, maxConnectionsPerUser: 1 })
  const first = await openBoard(browser, server, 'ann')
  const { page } = await openWindow(browser, 'about:blank')
  await page.clock.install()
  await page.goto(`${server.url}/?as=ann`)
  await page.getByText('Too many connections. Trying again…').waitFor()

  await first.context.close()
  await expect.poll(() => server.server.io.engine.clientsCount, { timeout: 20_000 }).toBe(0)
  // The server asked for half a minute of patience.
  await page.clock.fastForward(30_000)
  await page.locator('#state[data-state=live]').waitFor()
})

test('the keyboard is enough, and keeps its place when a task moves', async () => {
  const server = await startServer({ demo: true })
  const { board } = await openBoard(browser, server, 'ann', { viewport: { width: 360, height: 700 } })
  const { page } = board
  await page.getByLabel('A new task').focus()
  await page.keyboard.type('Only keys')
  await page.keyboard.press('Enter')
  await board.expectColumn('To do', ['Only keys'])
  await page.getByRole('button', { name: 'Move ‘Only keys’ to Doing' }).focus()
  await page.keyboard.press('Enter')
  await board.expectColumn('Doing', ['Only keys'])
  await page.keyboard.press('Enter')
  await board.expectColumn('Done', ['Only keys'])
  // There is no column to the right any more; the focus stays on the task.
  expect(await page.evaluate(() => document.activeElement?.ariaLabel)).toBe('Move ‘Only keys’ to Doing')
  await page.getByRole('button', { name: 'Rename ‘Only keys’' }).press('Enter')
  await page.keyboard.type('Given up')
  await page.keyboard.press('Escape')
  await board.expectColumn('Done', ['Only keys'])
  // On a phone the columns stand below each other, and nothing is wider than the screen.
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
})
