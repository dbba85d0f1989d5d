const TICK_MS = 100

/**
 * What a promise comes to, or an error when it takes longer. Counted is the time in which the event loop turned: a process
 * that stood still, or was busy, reads what came meanwhile before it calls anything late.
 */
export function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    let leftMs = ms
    const ticking = setInterval(() => {
      leftMs -= TICK_MS
      if (leftMs > 0) return
      clearInterval(ticking)
      reject(new Error(`${what} took longer than ${ms} ms`))
    }, TICK_MS)
    promise.then(resolve, reject).finally(() => clearInterval(ticking))
  })
}
