/** Who wants to be told of one thing. One listener that throws does not keep it from the others. */
export class Listeners<Told extends readonly unknown[]> {
  readonly #entries = new Set<{ readonly listener: (...told: Told) => void }>()

  /** Adds a listener, as often as it is added; gives back its stop. */
  add(listener: (...told: Told) => void): () => void {
    const entry = { listener }
    this.#entries.add(entry)
    return () => void this.#entries.delete(entry)
  }

  tell(...told: Told): void {
    for (const { listener } of [...this.#entries]) {
      try {
        listener(...told)
      } catch (error) {
        // The app's mistake, reported as one: where uncaught errors go.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
