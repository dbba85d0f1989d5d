import { afterEach } from 'vitest'

const stops: (() => unknown)[] = []

/** Has something stopped when the test ends, in reverse order of starting. */
export function cleanup(stop: () => unknown): void {
  stops.push(stop)
}

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})
