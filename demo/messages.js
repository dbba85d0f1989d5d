import { nameOf } from './tasks.js'

const DEEDS = new Map([
  ['message:send', 'wrote a message'],
  ['message:edit', 'edited a message'],
  ['message:delete', 'deleted a message'],
])

/** What a fact of the chat did, in words; nothing for any other fact. */
export function deedOf(type) {
  return DEEDS.get(type)
}

/** The messages of a chat, from pages of its past and from facts, whichever come first. */
export class Messages {
  #messages = new Map()
  /** Changes of messages that are not here. A page that was read before may still bring one as it was. */
  #early = new Map()

  clear() {
    this.#messages.clear()
    this.#early.clear()
  }

  /** The oldest first. */
  all() {
    return [...this.#messages.values()].sort((a, b) => a.seq - b.seq)
  }

  add(message) {
    const { id } = message
    if (!this.#messages.has(id)) this.#messages.set(id, { ...message, ...this.#early.get(id) })
  }

  apply({ type, payload }) {
    const { messageId, ...change } = payload
    if (type === 'message:send') this.add(payload)
    else if (type === 'message:edit') this.#change(messageId, change)
    else if (type === 'message:delete') this.#change(messageId, { ...change, content: '' })
  }

  /** The messages as they will be when one's own changes are stored as well; what these touch is marked. */
  after(changes, user) {
    const later = new Messages()
    later.#messages = new Map(this.#messages)
    for (const { type, payload, at } of changes) {
      if (type === 'message:send') later.add({ ...payload, user, createdAt: at, seq: Number.MAX_SAFE_INTEGER })
      else if (type === 'message:edit') later.apply({ type, payload: { ...payload, editedAt: at } })
      else if (type === 'message:delete') later.apply({ type, payload: { ...payload, deletedAt: at } })
    }
    return later
      .all()
      .map((message) => (this.#messages.get(message.id) === message ? message : { ...message, waits: true }))
  }

  #change(id, change) {
    const known = this.#messages.get(id)
    if (known) this.#messages.set(id, { ...known, ...change })
    else this.#early.set(id, { ...this.#early.get(id), ...change })
  }
}

/** Whether a message goes on what was said under the last head, so many before: then its author need not be named again. */
export function goesOn(message, head, since) {
  return (
    since <= 10 &&
    head.user?.id === message.user?.id &&
    nameOf(head.user) === nameOf(message.user) &&
    message.createdAt - head.createdAt < 5 * 60_000
  )
}
