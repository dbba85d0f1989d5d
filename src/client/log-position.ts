import type { Position } from '../protocol/envelope.ts'

/**
 * How far a log is known without a gap. A reply may tell the place of one's own fact before earlier facts of others have
 * come: such places wait until the position reaches them, so that a rejoin never asks to skip what was not delivered.
 */
export class LogPosition {
  #position: Position | undefined
  readonly #ahead = new Set<number>()

  get position(): Position | undefined {
    return this.#position
  }

  start(position: Position): void {
    this.#position = { epoch: position.epoch, seq: position.seq }
    this.#ahead.clear()
  }

  forget(): void {
    this.#position = undefined
    this.#ahead.clear()
  }

  /** Marks a place as known. False when it was known already. */
  know({ epoch, seq }: Position): boolean {
    const at = this.#position
    if (!at || at.epoch !== epoch || seq <= at.seq || this.#ahead.has(seq)) return false
    this.#ahead.add(seq)
    let reached = at.seq
    while (this.#ahead.delete(reached + 1)) reached++
    if (reached > at.seq) this.#position = { epoch, seq: reached }
    return true
  }
}
