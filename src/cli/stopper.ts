import type { Journal } from './journal.ts'

const GRACE_MS = 1000

/**
 * Ends the process in good order, once: what else asks to stop while it stops changes nothing. Whatever has not stopped
 * a second after `drainMs` is left behind, with exit code 1 [LIFE3].
 */
export function stopper(close: () => Promise<void>, drainMs: number, journal: Journal): (exitCode: number) => void {
  let stopping = false
  return (exitCode) => {
    if (stopping) return
    stopping = true
    setTimeout(() => {
      journal.failure(`Not stopped ${GRACE_MS} ms after DRAIN_MS (${drainMs}); leaving what is still open`)
      process.exit(1)
    }, drainMs + GRACE_MS).unref()
    close().then(
      () => process.exit(exitCode),
      (error: unknown) => {
        journal.failure('stopping failed', error)
        process.exit(1)
      },
    )
  }
}
