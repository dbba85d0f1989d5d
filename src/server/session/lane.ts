import type { Session } from './session.ts'

/**
 * [REQ5] Whatever follows a request that `holds` the channel, a join, a leave or a read of its log, waits for it. The
 * rest need not wait for each other: they are called in the order they came, and so the store takes them.
 */
export function inLane<T>(
  session: Session,
  channel: string,
  holds: boolean,
  serve: () => T | Promise<T>,
): T | Promise<T> {
  const before = session.lanes.get(channel)
  if (!holds) return before?.then(serve) ?? serve()
  const served = (before ?? Promise.resolve()).then(serve)
  const lane = served.then(
    () => {},
    () => {},
  )
  session.lanes.set(channel, lane)
  void lane.then(() => {
    if (session.lanes.get(channel) === lane) session.lanes.delete(channel)
  })
  return served
}

/**
 * Serves requests whose replies may be large one after the other, each when the last reply has mostly gone out: several
 * catch-ups at once would look like a client that does not read, and would have it cut whenever it comes back.
 */
export function inTurn<T>(session: Session, serve: () => T | Promise<T>): Promise<T> {
  const served = session.turn.then(() => session.connection.drained()).then(serve)
  session.turn = served.then(
    () => {},
    () => {},
  )
  return served
}
