import { AsyncLocalStorage } from 'node:async_hooks'
import { afterAll, afterEach } from 'vitest'

type Stop = () => unknown
const stops: Stop[] = []
const stopsOfFile: Stop[] = []
const place = new AsyncLocalStorage<Stop[]>()

/**
 * Has something stopped when the test ends, in reverse order of starting. Outside of test files, as in vitest's global
 * setup, there is no such moment: whoever starts something there stops it.
 */
export function cleanup(stop: Stop): void {
  const list = place.getStore() ?? stops
  list.push(stop)
}

/** Has what is started by a call stopped when the whole file ends, for tests that share it. */
export function forFile<T>(start: () => T): T {
  return place.run(stopsOfFile, start)
}

/** What is started by a call of the result, later, is stopped when that is which is started now. */
export function keeper(): <T>(start: () => T) => T {
  const list = place.getStore()
  return (start) => (list ? place.run(list, start) : start())
}

async function stopAll(list: Stop[]): Promise<void> {
  for (const stop of list.splice(0).reverse()) await stop()
}

if (process.env.VITEST_WORKER_ID !== undefined) {
  afterEach(() => stopAll(stops))
  afterAll(() => stopAll(stopsOfFile))
}
