import { createMessage, submitOnEnter } from './message.js'
import { goesOn, Messages } from './messages.js'
import { createReading } from './reading.js'
import { nameOf } from './tasks.js'
import { createTyping } from './typing.js'

const PAGE = 30
const byId = (id) => document.getElementById(id)

/** The chat beside the board. It is read from the server when the board is opened, and kept up with facts from then on. */
export function createChat({ live, me, announce, onUnread, onLost }) {
  const messages = new Messages()
  const shown = new Map()
  const list = byId('messages')
  const input = byId('say')
  const typing = createTyping({ input, line: byId('typing'), live, me })
  const reading = createReading({ end: byId('end'), live, onUnread: showUnread })
  let waiting = []
  let loaded = false
  let firstUnread

  byId('write').addEventListener('submit', (event) => {
    event.preventDefault()
    const content = input.value.trim()
    if (content === '') return
    byId('write').reset()
    typing.sent()
    firstUnread = undefined
    live.publish('message:send', { id: crypto.randomUUID(), content })
    toEnd()
  })
  submitOnEnter(input)
  byId('older').addEventListener('click', () => load(messages.all()[0]?.seq))
  byId('unread').addEventListener('click', () => {
    byId('chat').scrollIntoView({ block: 'end' })
    toEnd()
    input.focus({ preventScroll: true })
  })

  function load(before, then) {
    byId('older').disabled = true
    live.ask('message:list', { limit: PAGE, ...(before && { before }) }, (page) => {
      for (const message of page.messages) messages.add(message)
      loaded = true
      byId('older').disabled = false
      byId('older').hidden = !page.hasMore
      if (then) then()
      else show()
    })
  }

  /** Counted from the end, as the server counts: others' messages that are not deleted. */
  function markUnread(count) {
    const others = messages.all().filter(({ user, deletedAt }) => user?.id !== me.id && deletedAt === undefined)
    if (count > 0) firstUnread = (others.at(-count) ?? others[0])?.id
  }

  function show() {
    const all = messages.after(waiting, me)
    const ids = new Set(all.map(({ id }) => id))
    for (const [id, { element, dropEdit }] of shown) {
      if (ids.has(id)) continue
      dropEdit()
      element.remove()
      shown.delete(id)
    }
    let head = 0
    for (const [index, message] of all.entries()) {
      const first = message.id === firstUnread
      const item = shown.get(message.id) ?? createMessage({ onEdit, onDelete, onLost })
      shown.set(message.id, item)
      const follows = index > 0 && !first && goesOn(message, all[head], index - head)
      if (!follows) head = index
      item.show(message, { mine: message.user?.id === me.id, follows, first })
      if (list.children[index] !== item.element) list.insertBefore(item.element, list.children[index] ?? null)
    }
    byId('quiet').hidden = !loaded || all.length > 0
  }

  function onEdit(messageId, content) {
    live.publish('message:edit', { messageId, content })
  }

  function onDelete(messageId) {
    input.focus()
    live.publish('message:delete', { messageId })
  }

  function showUnread(count) {
    byId('unread').hidden = count === 0
    byId('unread').textContent = count === 1 ? '1 new message' : `${count} new messages`
    onUnread(count)
  }

  /** The list stands on its end: there its scroll position is 0. */
  function toEnd() {
    byId('scroll').scrollTop = 0
  }

  return {
    reset() {
      messages.clear()
      loaded = false
      firstUnread = undefined
      show()
    },
    joined({ unread, head }) {
      const begin = () => {
        markUnread(unread)
        show()
        reading.begin(unread, head)
      }
      byId('older').disabled = false
      if (loaded) begin()
      else load(undefined, begin)
    },
    /** A fact of the chat that came after the board was opened. */
    take(fact, isLive) {
      messages.apply(fact)
      const others = fact.user?.id !== me.id
      if (fact.type === 'message:send') {
        if (fact.user) typing.stopped(fact.user.id)
        if (isLive && others) {
          if (reading.arrived(fact.seq)) firstUnread = fact.payload.id
          announce(`${nameOf(fact.user)} wrote: ${fact.payload.content}`)
        }
      }
      show()
    },
    showWaiting(changes) {
      waiting = changes
      show()
    },
    keepPeople: typing.keep,
    /** What was written is not lost because it was refused. */
    giveBack({ type, payload }) {
      if (type === 'message:send' && input.value === '') input.value = payload.content
    },
  }
}
