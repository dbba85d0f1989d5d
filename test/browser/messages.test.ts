import { expect, test } from 'vitest'

interface Message {
  readonly id: string
  readonly seq: number
  readonly content: string
  readonly deletedAt?: number
}
/** As much of demo/messages.js, which has no types, as is used here. */
interface Messages {
  add(message: Message): void
  apply(fact: { type: string; payload: object }): void
  all(): Message[]
}
const { Messages } = (await import(new URL('../../demo/messages.js', import.meta.url).href)) as {
  Messages: new () => Messages
}

test('a page that was read before a change came does not bring back what was before', () => {
  const messages = new Messages()
  messages.apply({ type: 'message:edit', payload: { messageId: 'a', content: 'edited', editedAt: 2 } })
  messages.apply({ type: 'message:delete', payload: { messageId: 'b', deletedAt: 2 } })
  messages.apply({ type: 'message:send', payload: { id: 'c', seq: 3, content: 'sent' } })
  messages.apply({ type: 'message:edit', payload: { messageId: 'c', content: 'sent and edited', editedAt: 4 } })
  for (const [index, id] of ['c', 'b', 'a'].entries()) messages.add({ id, seq: 3 - index, content: 'before' })
  expect(messages.all().map(({ content, deletedAt }) => [content, deletedAt])).toEqual([
    ['edited', undefined],
    ['', 2],
    ['sent and edited', undefined],
  ])
})
