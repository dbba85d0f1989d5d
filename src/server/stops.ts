/** What has to be stopped: the last that was started first, and each also when another could not be. */
export class Stops {
  readonly #stops: (() => unknown)[] = []
  #stopping: Promise<void> | undefined

  add(stop: () => unknown): void {
    this.#stops.push(stop)
  }

  /**
   * Stopping twice is stopping once.
   * @throws what the first that failed has thrown, when all have been stopped
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#run()
    return this.#stopping
  }

  async #run(): Promise<void> {
    const failures: unknown[] = []
    for (const stop of this.#stops.splice(0).reverse()) {
      try {
        await stop()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
