/**
 * Counts what is unread, and tells the server what was seen: everything, once the end of the chat is in sight on a page
 * that is visible.
 */
export function createReading({ end, live, onUnread }) {
  let unread = 0
  let newest = 0

  // It says when to look, and too late to be asked: what was drawn since may have moved the end out of sight.
  new IntersectionObserver(look).observe(end)
  document.addEventListener('visibilitychange', look)
  // Read in another of one's own windows.
  live.hear('message:read', (read) => set(read.unread))

  function inSight() {
    const { top } = end.getBoundingClientRect()
    const scroll = end.closest('.scroll').getBoundingClientRect()
    return top >= Math.max(0, scroll.top) && top < Math.min(innerHeight, scroll.bottom)
  }

  function look() {
    if (unread === 0 || document.visibilityState !== 'visible' || !inSight()) return
    const seq = newest
    set(0)
    live.ask('message:read', { seq }, (reply) => {
      if (seq === newest) set(reply.unread)
    })
  }

  function set(count) {
    unread = count
    onUnread(unread)
  }

  return {
    /** What the server counts, up to a place. */
    begin(count, seq) {
      newest = seq
      set(count)
      look()
    },
    /** A message came from somebody else. Says whether it is the first that nobody looked at. */
    arrived(seq) {
      newest = seq
      unread++
      look()
      onUnread(unread)
      return unread === 1
    },
  }
}
