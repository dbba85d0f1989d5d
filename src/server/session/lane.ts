import type { Session } from './session.ts'

/**
 * [REQ5] Whatever follows a request that `holds` the channel, a join, a leave or a read of its log, waits for it. The
 * rest need not wait for each other: they are called in the order they came, and so the store takes them.
 * @param body what the request brought, as far as it is kept until it is served
 * @throws ConveneError `rate_limited` when too much waits
 */
export function inLane<T>(
  session: Session,
  channel: string,
  holds: boolean,
  body: unknown,
  serve: () => T | Promise<T>,
): T | Promise<T> {
  const before = session.lanes.get(channel)
  if (!holds) return before === undefined ? serve() : session.waiting.until(before, body, serve)
  const served = session.waiting.until(before ?? Promise.resolve(), body, serve)
  const lane = Promise.all([before, settled(served)])
  session.lanes.set(channel, lane)
  void lane.then(() => {
    if (session.lanes.get(channel) === lane) session.lanes.delete(channel)
  })
  return served
}

/**
 * Serves requests whose replies may be large one after the other, each when the last reply has mostly gone out: several
 * catch-ups at once would look like a client that does not read, and would have it cut whenever it comes back.
 * @throws ConveneError `rate_limited` when too much waits
 */
export function inTurn<T>(session: Session, body: unknown, serve: () => T | Promise<T>): Promise<T> {
  const turn = session.turn.then(() => session.connection.drained())
  const served = session.waiting.until(turn, body, serve)
  session.turn = Promise.all([turn, settled(served)])
  return served
}

/** Resolves when something is done, however it ended. */
async function settled(work: Promise<unknown>): Promise<void> {
  await work.catch(() => {})
}
