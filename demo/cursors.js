import { tintOf } from './avatar.js'
import { nameOf } from './tasks.js'

const EVERY_MS = 50
const GONE_MS = 4000

/**
 * Shows where the others point on the board. A place is told relative to the card or the column it is on, as parts of
 * its width and height, so that it is the same card in a window of another size.
 */
export function createCursors({ board, live, me }) {
  const cursors = new Map()
  let pointed
  let pause

  board.addEventListener('pointermove', (event) => {
    const target = event.target.closest('[data-spot]')
    if (!target || event.pointerType === 'touch') return
    const { left, top, width, height } = target.getBoundingClientRect()
    pointed = { spot: target.dataset.spot, x: (event.clientX - left) / width, y: (event.clientY - top) / height }
    if (!pause) tell()
  })

  /** At most one in a while, and the last one always. */
  function tell() {
    pause = undefined
    if (!pointed) return
    live.tell('cursor', { position: pointed })
    pointed = undefined
    pause = setTimeout(tell, EVERY_MS)
  }

  function show(sessionId, user, target, { x, y }) {
    const cursor = cursors.get(sessionId) ?? create(user)
    cursors.set(sessionId, cursor)
    clearTimeout(cursor.timer)
    cursor.timer = setTimeout(() => remove(sessionId), GONE_MS)
    const origin = board.getBoundingClientRect()
    const { left, top, width, height } = target.getBoundingClientRect()
    const across = left - origin.left + Math.min(Math.max(x, 0), 1) * width
    const down = top - origin.top + Math.min(Math.max(y, 0), 1) * height
    cursor.element.style.transform = `translate(${across}px, ${down}px)`
    if (!cursor.element.isConnected) board.append(cursor.element)
  }

  function create(user) {
    const element = document.getElementById('cursor').content.cloneNode(true).firstElementChild
    const name = nameOf(user)
    element.dataset.tint = tintOf(name)
    element.querySelector('.name').textContent = name
    return { element, userId: user.id }
  }

  function remove(sessionId) {
    const { element, timer } = cursors.get(sessionId)
    clearTimeout(timer)
    element.remove()
    cursors.delete(sessionId)
  }

  live.hear('cursor', ({ sessionId, user, position }) => {
    const spots = [...board.querySelectorAll('[data-spot]')]
    const target = spots.find(({ dataset }) => dataset.spot === position?.spot)
    if (user.id === me.id || !target || !Number.isFinite(position.x) || !Number.isFinite(position.y)) return
    show(sessionId, user, target, position)
  })

  return {
    /** Only those who are here can point. */
    keep(userIds) {
      for (const [sessionId, { userId }] of cursors) if (!userIds.has(userId)) remove(sessionId)
    },
  }
}
