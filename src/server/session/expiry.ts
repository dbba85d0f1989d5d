import { ConveneError } from '../../protocol/errors.ts'
import type { Session } from './session.ts'

const WARN_BEFORE_MS = 30_000
const GRACE_MS = 10_000
// Longer than setTimeout can wait; it would fire at once.
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * [LIFE1] Warns a session 30 s before its token ends, and closes it 10 s after the end unless it was renewed.
 * One timer a session, at the next thing to do. Returns the stop.
 */
export function watchExpiry(session: Session): () => void {
  let warnedFor: number | undefined
  let timer: NodeJS.Timeout | undefined

  function check(): void {
    const { expiresAt } = session
    const now = Date.now()
    if (now >= expiresAt + GRACE_MS) {
      session.connection.close(new ConveneError('token_expired', 'The token has expired; connect with a new one'))
      return
    }
    if (now >= expiresAt - WARN_BEFORE_MS && warnedFor !== expiresAt) {
      warnedFor = expiresAt
      session.send('auth:expiring', { expiresAt })
    }
    const next = warnedFor === expiresAt ? expiresAt + GRACE_MS : expiresAt - WARN_BEFORE_MS
    timer = setTimeout(check, Math.min(Math.max(next - now, 1), MAX_TIMER_MS)).unref()
  }

  // After the greeting, which a token that is about to end must not overtake.
  timer = setTimeout(
    check,
    Math.min(Math.max(session.expiresAt - WARN_BEFORE_MS - Date.now(), 1), MAX_TIMER_MS),
  ).unref()
  return () => clearTimeout(timer)
}
