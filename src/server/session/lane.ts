import type { Session } from './session.ts'

/**
 * [REQ5] Whatever follows a join or leave of the same channel waits for it. The rest need not wait for each other:
 * the store takes calls in the order they were made.
 */
export function inLane<T>(
  session: Session,
  channel: string,
  changes: boolean,
  serve: () => T | Promise<T>,
): T | Promise<T> {
  const before = session.lanes.get(channel)
  if (!before && !changes) return serve()
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
