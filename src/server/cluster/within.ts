/**
 * What a promise comes to, or an error when it takes longer.
 * After a pause of the whole process, what came meanwhile is read before anything is called late.
 */
export function within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${what} took longer than ${ms} ms`))
    const timer = setTimeout(() => setImmediate(() => setImmediate(late)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
