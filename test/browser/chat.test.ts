import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openBoard } from '../support/browser.ts'
import { cleanup } from '../support/cleanup.ts'
import { connect, expectReply, join as joinChannel } from '../support/connect.ts'
import { startServer, type TestServer } from '../support/start-server.ts'
import { ChatPanel } from './chat-panel.ts'

const CHANNEL = 'project:demo'
const PATIENCE = { timeout: 20_000 }
// The chat is below the fold, as on a phone.
const PHONE = { viewport: { width: 390, height: 600 } }

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser.close())

async function openChat(server: Pick<TestServer, 'url'>, name: string, options: Parameters<typeof openBoard>[3] = {}) {
  const window = await openBoard(browser, server, name, options)
  const chat = new ChatPanel(window.page)
  return { ...window, chat, close: () => window.context.close() }
}

/** Somebody in the channel who is no browser. */
async function somebody(server: TestServer, name: string) {
  const client = await connect(server, name)
  await joinChannel(client, CHANNEL)
  const say = (content: string, id?: string) =>
    expectReply<{ messageId: string }>(client, 'message:send', { channel: CHANNEL, payload: { content, id } })
  return { ...client, client, say }
}

async function expectMessages(chats: readonly ChatPanel[], wanted: readonly string[]): Promise<void> {
  for (const chat of chats) await expect.poll(() => chat.messages(), PATIENCE).toEqual(wanted)
}

test('two people see each other type, write, edit and delete, and find it again', async () => {
  const server = await startServer({ demo: true })
  const ann = await openChat(server, 'ann')
  const ben = await openChat(server, 'ben')
  await ann.page.getByText('No messages yet').waitFor()

  await ben.chat.input.pressSequentially('Hel')
  await ann.chat.typing.getByText('Ben is typing…').waitFor()
  await ben.chat.input.fill('')
  await ann.chat.typing.filter({ hasNotText: 'typing' }).waitFor({ state: 'attached' })
  await ben.chat.input.pressSequentially('Hello')
  await ann.chat.typing.getByText('Ben is typing…').waitFor()
  await ben.chat.input.press('Enter')
  await expectMessages([ann.chat, ben.chat], ['Ben: Hello'])
  expect(await ann.chat.typing.textContent()).toBe('')
  expect(await ben.chat.input.inputValue()).toBe('')
  // Told to a screen reader, and nobody is asked to look who is looking.
  expect(await ann.page.locator('[aria-live=polite]').textContent()).toBe('Ben wrote: Hello')
  expect(await ann.page.locator('#unread').isVisible()).toBe(false)

  await ann.chat.write('Good morning')
  await expectMessages([ann.chat, ben.chat], ['Ben: Hello', 'Ann: Good morning'])
  expect([await ann.chat.canEdit('Hello'), await ben.chat.canEdit('Hello')]).toEqual([false, true])
  await ben.chat.edit('Hello', 'Hello Ann')
  await expectMessages([ann.chat, ben.chat], ['Ben: Hello Ann (edited)', 'Ann: Good morning'])
  await ann.chat.delete('Good morning')
  const story = ['Ben: Hello Ann (edited)', 'Ann: This message was deleted']
  await expectMessages([ann.chat, ben.chat], story)
  expect(await ann.chat.canEdit('')).toBe(false)
  expect(await ann.board.facts()).toEqual([
    '#4 Ann deleted a message',
    '#3 Ben edited a message',
    '#2 Ann wrote a message',
    '#1 Ben wrote a message',
  ])

  await ann.page.reload()
  await expectMessages([ann.chat], story)
  expect([...ann.complaints, ...ben.complaints]).toEqual([])
})

test('[PRE2] who leaves in the middle of a word types no more', async () => {
  const server = await startServer({ demo: true })
  const ann = await openChat(server, 'ann')
  const ben = await openChat(server, 'ben')
  await ben.chat.input.pressSequentially('Wait')
  await ann.chat.typing.getByText('Ben is typing…').waitFor()
  await ben.close()
  await ann.board.expectPeople(['Ann (you)'])
  await expect.poll(() => ann.chat.typing.textContent(), PATIENCE).toBe('')
})

test('what came unseen is counted in every window until it is seen in one, and marked where it begins', async () => {
  const server = await startServer({ demo: true })
  const ben = await somebody(server, 'ben')
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    await expectReply(ben.client, 'task:create', { channel: CHANNEL, payload: { id, title: id, status: 'todo' } })
  }
  await ben.say('Before anybody came')
  const phone = await openChat(server, 'ann', PHONE)
  const other = await openChat(server, 'ann', PHONE)
  for (const { page } of [phone, other]) await page.getByRole('button', { name: '1 new message' }).waitFor()
  await ben.say('And one more')
  for (const { page } of [phone, other]) await page.getByRole('button', { name: '2 new messages' }).waitFor()
  expect(await phone.page.title()).toBe('(2) Ann · Convene demo')
  expect(await phone.chat.firstUnread()).toEqual(['Before anybody came'])

  await phone.page.getByRole('button', { name: '2 new messages' }).click()
  for (const { page } of [phone, other]) await page.locator('#unread').waitFor({ state: 'hidden' })
  expect(await phone.page.title()).toBe('Ann · Convene demo')
  await ben.say('Something new')
  // In sight in one window, not in the other; said by the first it is read in both.
  await expectMessages(
    [phone.chat, other.chat],
    ['ben: Before anybody came', 'ben: And one more', 'ben: Something new'],
  )
  await other.page.locator('#unread').waitFor({ state: 'hidden' })
  await phone.close()
  await other.page.reload()
  await other.board.expectState('live')
  await expectMessages([other.chat], ['ben: Before anybody came', 'ben: And one more', 'ben: Something new'])
  expect(await other.page.locator('#unread').isVisible()).toBe(false)
  expect(await other.chat.firstUnread()).toEqual([])

  // Where the chat is in sight at once, all is read at once, and marked.
  const desk = await openChat(server, 'cleo')
  await expect.poll(() => desk.chat.firstUnread(), PATIENCE).toEqual(['Before anybody came'])
  await desk.page.locator('#unread').waitFor({ state: 'hidden' })
})

test('what comes while the page is hidden is read when it is shown', async () => {
  const server = await startServer({ demo: true })
  const { page } = await openChat(server, 'ann')
  const ben = await somebody(server, 'ben')
  // Headless windows are always visible: the page is told otherwise.
  await page.evaluate(() =>
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => 'hidden' }),
  )
  await ben.say('Are you there?')
  await page.getByRole('button', { name: '1 new message' }).waitFor()
  await page.evaluate(() => {
    Reflect.deleteProperty(document, 'visibilityState')
    document.dispatchEvent(new Event('visibilitychange'))
  })
  await page.locator('#unread').waitFor({ state: 'hidden' })
  await page.reload()
  await page.getByText('Are you there?').waitFor()
  expect(await page.locator('#unread, .first-unread').filter({ visible: true }).count()).toBe(0)
})

test('older messages come page by page, and the board stays whole however much is said', async () => {
  const server = await startServer({ demo: true, rateFactsPerSecond: 100_000 })
  const ben = await somebody(server, 'ben')
  const task = { id: 'first', title: 'The first of all', status: 'doing' }
  await expectReply(ben.client, 'task:create', { channel: CHANNEL, payload: task })
  await Promise.all(Array.from({ length: 320 }, (_, i) => ben.say(`${i}`, `m${i}`)))
  const ann = await openChat(server, 'ann')
  await ann.board.expectColumn('Doing', ['The first of all'])
  const from = (first: number) => Array.from({ length: 320 - first }, (_, i) => `ben: ${first + i}`)
  await expectMessages([ann.chat], from(290))

  const older = ann.page.getByRole('button', { name: 'Older messages' })
  await older.click()
  await expectMessages([ann.chat], from(260))
  // Changed where it is not loaded yet, and where it is.
  for (const messageId of ['m231', 'm261']) {
    const payload = { messageId, content: 'later' }
    await expectReply(ben.client, 'message:edit', { channel: CHANNEL, payload })
  }
  const edited = from(230).map((text) => (/ 2[36]1$/.test(text) ? 'ben: later (edited)' : text))
  await expectMessages([ann.chat], edited.slice(30))
  await older.click()
  await expectMessages([ann.chat], edited)
  while (await older.isVisible()) {
    const before = (await ann.chat.messages()).length
    await older.click()
    await expect.poll(async () => (await ann.chat.messages()).length, PATIENCE).toBeGreaterThan(before)
  }
  expect((await ann.chat.messages()).length).toBe(320)
  expect(await ann.board.column('Doing')).toEqual(['The first of all'])
})

test('[OP1] [JOIN3] nothing written is lost over a restart, nor comes twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'convene-chat-'))
  cleanup(() => rm(folder, { recursive: true }))
  const options = { demo: true, databaseUrl: `sqlite:${join(folder, 'convene.db')}` }
  const first = await startServer(options)
  const ann = await openChat(first, 'ann')
  const ben = await openChat(first, 'ben')
  await ben.chat.write('Before')
  await expectMessages([ann.chat, ben.chat], ['Ben: Before'])
  await ann.chat.input.pressSequentially('Half a sen')

  await first.server.close()
  await ann.board.expectState('away')
  await ben.board.expectState('away')
  await ben.chat.write('While nobody listened')
  await ben.chat.write('Not for long')
  await ben.chat.edit('Before', 'Long before')
  await ben.chat.delete('Not for long')
  const seen = ['Ben: Long before (edited)', 'Ben: While nobody listened', 'Ben: This message was deleted']
  await expectMessages(
    [ben.chat],
    seen.map((message) => `${message} (waits)`),
  )
  await ann.chat.input.pressSequentially('tence')

  await startServer({ ...options, port: first.port })
  await expectMessages([ann.chat, ben.chat], seen)
  await ann.board.expectSeq(5)
  expect(await ann.chat.input.inputValue()).toBe('Half a sentence')
  await ann.chat.input.press('Enter')
  await expectMessages([ann.chat, ben.chat], [...seen, 'Ann: Half a sentence'])
  expect([...ann.complaints, ...ben.complaints]).toEqual([])
  await ann.close()
  await ben.close()
})

test('[JOIN4] the messages of another log take the place of the old ones', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'convene-chat-'))
  cleanup(() => rm(folder, { recursive: true }))
  const first = await startServer({ demo: true })
  const ann = await openChat(first, 'ann')
  await ann.chat.write('Of the old log')
  await expectMessages([ann.chat], ['Ann: Of the old log'])
  await first.server.close()
  await ann.board.expectState('away')

  const databaseUrl = `sqlite:${join(folder, 'other.db')}`
  const between = await startServer({ databaseUrl })
  const ben = await somebody(between, 'ben')
  await ben.say('Of the new log')
  ben.socket.disconnect()
  await between.server.close()
  await startServer({ demo: true, databaseUrl, port: first.port })
  await expectMessages([ann.chat], ['ben: Of the new log'])
  await ann.close()
})

test('[A25] what others write and are called is text, wherever it shows', async () => {
  const hostile = '<img src=x onerror="document.title=\'owned\'">'
  const server = await startServer({ demo: true })
  const ann = await openChat(server, 'ann')
  const eve = await somebody(server, hostile)
  await eve.say('<b>bold</b>', '"><script>')
  await expectReply(eve.client, 'message:edit', {
    channel: CHANNEL,
    payload: { messageId: '"><script>', content: hostile },
  })
  await expectMessages([ann.chat], [`${hostile}: ${hostile} (edited)`])
  await expectReply(eve.client, 'typing', { channel: CHANNEL, isTyping: true })
  await expect.poll(() => ann.chat.typing.textContent(), PATIENCE).toBe(`${hostile} is typing…`)
  for (const position of ['x', null, [], { spot: '"]', x: 0, y: 0 }, { spot: 'column todo', x: '1', y: {} }]) {
    await expectReply(eve.client, 'cursor', { channel: CHANNEL, position })
  }
  await expectReply(eve.client, 'cursor', { channel: CHANNEL, position: { spot: 'column todo', x: 1e300, y: -1e300 } })
  await expect.poll(() => ann.page.locator('.cursor').allTextContents(), PATIENCE).toEqual([hostile])
  await expectReply(eve.client, 'presence:update', { channel: CHANNEL, state: { renaming: '"><script>' } })
  // What one writes oneself, too, in its place and in its editor.
  await ann.chat.write(hostile)
  await expectMessages([ann.chat], [`${hostile}: ${hostile} (edited)`, `Ann: ${hostile}`])
  await ann.page.getByRole('button', { name: /^Edit/ }).press('Enter')
  expect(await ann.page.getByLabel('Your message').inputValue()).toBe(hostile)

  expect(await ann.page.locator('img, #messages b b, script:not([src])').count()).toBe(0)
  expect(await ann.page.title()).toBe('Ann · Convene demo')
  expect(ann.complaints).toEqual([])
})

test('the keyboard is enough to write, edit and delete, and what is refused is given back', async () => {
  const server = await startServer({ demo: true })
  const ann = await openChat(server, 'ann', PHONE)
  const { page, chat } = ann
  await chat.input.focus()
  await page.keyboard.type('One line')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('and another')
  await page.keyboard.press('Enter')
  await expectMessages([chat], ['Ann: One line\nand another'])

  // Backwards from the input: past the list's own buttons.
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  expect(await page.evaluate(() => document.activeElement?.ariaLabel)).toMatch(/^Edit ‘One line/)
  await page.keyboard.press('Enter')
  await page.keyboard.type('Given up')
  await page.keyboard.press('Escape')
  expect(await page.evaluate(() => document.activeElement?.ariaLabel)).toMatch(/^Edit ‘One line/)
  await expectMessages([chat], ['Ann: One line\nand another'])
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await expectMessages([chat], ['Ann: This message was deleted'])
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('say')

  await chat.write('A bell \u0007 rings')
  await page.getByRole('alert').getByText('That was not saved').waitFor()
  await expect.poll(() => chat.input.inputValue(), PATIENCE).toBe('A bell \u0007 rings')
  await expectMessages([chat], ['Ann: This message was deleted'])
  await chat.write('A bell rings')
  await expectMessages([chat], ['Ann: This message was deleted', 'Ann: A bell rings'])
  expect(await page.getByRole('alert').isVisible()).toBe(false)
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
})

test('[MSG1] a message that is hidden is counted, and nothing else', async () => {
  const server = await startServer({ demo: true })
  const ann = await openChat(server, 'ann')
  const ben = await somebody(server, 'ben')
  await ben.say('For everybody')
  await expectMessages([ann.chat], ['ben: For everybody'])
  const blocked = await fetch(`${server.url}/api/v1/users/ben/blocks/ann`, { method: 'PUT' })
  expect(blocked.status).toBe(200)
  await ben.say('Not for Ann')
  await ann.board.expectSeq(2)
  expect(await ann.chat.messages()).not.toContain('ben: Not for Ann')
  expect(await ann.board.facts()).toEqual(['#1 ben wrote a message'])
})
