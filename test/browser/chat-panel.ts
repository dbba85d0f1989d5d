import type { Locator, Page } from 'playwright-core'

/** What a person does in the demo's chat, by the labels a person goes by. */
export class ChatPanel {
  readonly page: Page
  readonly input: Locator
  readonly typing: Locator

  constructor(page: Page) {
    this.page = page
    this.input = page.getByLabel('A message', { exact: true })
    this.typing = page.locator('#typing')
  }

  async write(content: string): Promise<void> {
    await this.input.fill(content)
    await this.input.press('Enter')
  }

  async edit(content: string, to: string): Promise<void> {
    await this.page.getByRole('button', { name: `Edit ‘${content}’`, exact: true }).press('Enter')
    const input = this.page.getByLabel('Your message')
    await input.fill(to)
    await input.press('Enter')
  }

  async delete(content: string): Promise<void> {
    await this.page.getByRole('button', { name: `Delete ‘${content}’`, exact: true }).press('Enter')
  }

  /** Whether one may edit it. */
  canEdit(content: string): Promise<boolean> {
    return this.page.getByRole('button', { name: `Edit ‘${content}’`, exact: true }).isVisible()
  }

  /** Every message as it reads: its author, the text, and whether it was edited or waits. */
  async messages(): Promise<string[]> {
    return this.page.locator('#messages > li').evaluateAll((items) =>
      items.map((item) => {
        const text = (name: string) => item.querySelector(`.${name}`)?.textContent ?? ''
        const edited = item.querySelector('.edited[hidden]') === null ? ' (edited)' : ''
        return `${text('author')}: ${text('text')}${edited}${item.classList.contains('waits') ? ' (waits)' : ''}`
      }),
    )
  }

  /** Where what is new begins. */
  firstUnread(): Promise<string[]> {
    return this.page.locator('.first-unread .text').allTextContents()
  }
}
