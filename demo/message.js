import { paintAvatar } from './avatar.js'
import { nameOf } from './tasks.js'

const EXCERPT = 40
const byId = (id) => document.getElementById(id)

/** One message on the page: made once and changed in place, so that focus and half-typed edits survive. */
export function createMessage({ onEdit, onDelete, onLost }) {
  const element = byId('message').content.cloneNode(true).firstElementChild
  const part = (name) => element.querySelector(`.${name}`)
  const button = (action) => element.querySelector(`[data-action=${action}]`)
  let message
  let closeEdit

  function show(next, { mine, follows, first }) {
    element.classList.toggle('follows', follows)
    element.classList.toggle('first-unread', first)
    if (next === message) return
    message = next
    const deleted = message.deletedAt !== undefined
    const name = nameOf(message.user)
    element.classList.toggle('waits', message.waits === true)
    element.classList.toggle('deleted', deleted)
    paintAvatar(part('avatar'), name)
    part('author').textContent = name
    showTime(part('time'), message.createdAt)
    part('text').textContent = deleted ? 'This message was deleted' : message.content
    part('edited').hidden = deleted || message.editedAt === undefined
    part('actions').hidden = !mine || deleted
    const excerpt = message.content.length > EXCERPT ? `${message.content.slice(0, EXCERPT)}…` : message.content
    label('edit', `Edit ‘${excerpt}’`)
    label('delete', `Delete ‘${excerpt}’`)
    if (deleted) dropEdit()
  }

  function label(action, text) {
    button(action).setAttribute('aria-label', text)
    button(action).title = text
  }

  function edit() {
    if (closeEdit) return
    const form = byId('edit').content.cloneNode(true).firstElementChild
    const input = form.querySelector('textarea')
    input.value = message.content
    part('content').after(form)
    element.classList.add('edits')
    submitOnEnter(input)
    input.focus()
    closeEdit = () => {
      closeEdit = undefined
      const focused = form.contains(document.activeElement)
      element.classList.remove('edits')
      form.remove()
      if (focused && !part('actions').hidden) button('edit').focus()
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const content = input.value.trim()
      const { id, content: before } = message
      closeEdit()
      if (content !== '' && content !== before) onEdit(id, content)
    })
    form.querySelector('[data-action=cancel]').addEventListener('click', () => closeEdit())
    form.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') closeEdit()
    })
  }

  /** The message is gone, and what it was to become with it. */
  function dropEdit() {
    if (!closeEdit) return
    closeEdit()
    onLost()
  }

  button('edit').addEventListener('click', edit)
  button('delete').addEventListener('click', () => onDelete(message.id))
  return { element, show, dropEdit }
}

/** Enter sends, Shift+Enter begins a line; the Enter that ends a composed character does neither. */
export function submitOnEnter(textarea) {
  textarea.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    textarea.form.requestSubmit()
  })
}

function showTime(element, at) {
  const date = new Date(at)
  const today = date.toDateString() === new Date().toDateString()
  const time = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  element.dateTime = date.toISOString()
  element.title = date.toLocaleString()
  element.textContent = today ? time : `${date.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${time}`
}
