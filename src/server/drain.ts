import type { Dispatch } from './session/dispatch.ts'
import type { Sessions } from './session/sessions.ts'

const MESSAGE = 'Server is shutting down. You will be reconnected automatically.'
// So wide that a server full of clients does not come back as one wave.
const SPREAD_MS = 5000

/**
 * [LIFE3] Sends everybody away in good order: told, answered what is under way, closed so that they come back by
 * themselves. Whoever has not gone by the deadline is cut.
 */
export async function drain(sessions: Sessions, dispatch: Dispatch, deadlineMs: number): Promise<void> {
  const deadline = Date.now() + deadlineMs
  for (const session of sessions) {
    session.send('server:shutdown', { message: MESSAGE, reconnectInMs: Math.round(Math.random() * SPREAD_MS) })
  }
  await before(deadline, dispatch.idle())
  for (const session of sessions) session.connection.reset()
  await before(deadline, sessions.empty())
  for (const session of sessions) session.connection.cut()
}

/** Waits for something, but not beyond the deadline. */
async function before(deadline: number, done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, deadline - Date.now()))
  })
  await Promise.race([done, late])
  clearTimeout(timer)
}
