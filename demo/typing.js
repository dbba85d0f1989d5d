import { nameOf } from './tasks.js'

// The server ends it 6 s after it was said last; a lost word about it must not leave somebody typing for ever.
const AGAIN_MS = 3000
const FORGET_MS = 8000

/** Says that one types, and shows who else does. */
export function createTyping({ input, line, live, me }) {
  let saidAt
  const typists = new Map()

  function say(isTyping) {
    if (!isTyping && saidAt === undefined) return
    if (isTyping && Date.now() - saidAt < AGAIN_MS) return
    saidAt = isTyping ? Date.now() : undefined
    live.tell('typing', { isTyping })
  }

  function show() {
    const names = [...typists.values()].map(({ name }) => name)
    if (names.length === 0) line.textContent = ''
    else if (names.length === 1) line.textContent = `${names[0]} is typing…`
    else if (names.length === 2) line.textContent = `${names[0]} and ${names[1]} are typing…`
    else line.textContent = `${names.length} people are typing…`
  }

  function stopped(userId) {
    clearTimeout(typists.get(userId)?.timer)
    if (typists.delete(userId)) show()
  }

  input.addEventListener('input', () => say(input.value.trim() !== ''))
  live.hear('typing', ({ user, isTyping }) => {
    stopped(user.id)
    if (!isTyping || user.id === me.id) return
    typists.set(user.id, { name: nameOf(user), timer: setTimeout(() => stopped(user.id), FORGET_MS) })
    show()
  })

  return {
    /** What was typed is sent. */
    sent: () => say(false),
    /** Somebody sent theirs. */
    stopped,
    /** Only those who are here can type. */
    keep(userIds) {
      for (const userId of typists.keys()) if (!userIds.has(userId)) stopped(userId)
    },
  }
}
