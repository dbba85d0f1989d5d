import { ConveneError } from '../../protocol/errors.ts'

const WARN_BEFORE_MS = 30_000
const GRACE_MS = 10_000
// Longer than setTimeout can wait; it would fire at once.
const MAX_TIMER_MS = 2 ** 31 - 1

/** A session, as far as the end of its token is concerned. */
interface Expiring {
  /** ms since 1970 */
  readonly expiresAt: number
  send(event: string, body: unknown): void
  close(reason: ConveneError): void
}

/**
 * [LIFE1] Warns a session 30 s before its token ends, and closes it 10 s after the end. One timer, at the next thing to
 * do. Returns the stop; a session that was renewed is watched anew.
 */
export function watchExpiry(session: Expiring): () => void {
  const { expiresAt } = session
  let warned = false
  let timer: NodeJS.Timeout

  function wait(): void {
    const next = warned ? expiresAt + GRACE_MS : expiresAt - WARN_BEFORE_MS
    // Not at once: the greeting comes first, also of a token that is about to end.
    timer = setTimeout(check, Math.min(Math.max(next - Date.now(), 1), MAX_TIMER_MS)).unref()
  }

  function check(): void {
    const now = Date.now()
    if (now >= expiresAt + GRACE_MS) {
      session.close(new ConveneError('token_expired', 'The token has expired; connect with a new one'))
      return
    }
    if (now >= expiresAt - WARN_BEFORE_MS && !warned) {
      warned = true
      session.send('auth:expiring', { expiresAt })
    }
    wait()
  }

  wait()
  return () => clearTimeout(timer)
}
