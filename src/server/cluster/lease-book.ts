/** For so long a node that says nothing counts as living, in ms. */
export const LEASE_MS = 8000
// After this one was away itself, others get so long to come back as well.
const GRACE_MS = 4000
const FAREWELLS_MS = 600_000

interface Beat {
  readonly at: number
  /** When it was last seen to live, on this node's clock. */
  seenAt: number
}

/**
 * Who lives, as far as this node saw. What counts is that a node's beat changes, and for how long by this node's own clock
 * it did not: so neither a Redis that forgot everything ends anybody, nor one whose clock jumps, nor another one's clock.
 */
export class LeaseBook {
  readonly #living = new Map<string, Beat>()
  /** The last beat of those whose lease has ended, as long as it is found. */
  readonly #dead = new Map<string, number>()
  /** When each said farewell, for as long as that may be said again. */
  readonly #left = new Map<string, number>()

  has(node: string): boolean {
    return this.#living.has(node)
  }

  get size(): number {
    return this.#living.size
  }

  /** A beat was found, so old: both in ms of Redis. */
  saw(node: string, at: number, ageMs: number): void {
    const known = this.#living.get(node)
    if (known?.at === at || this.#dead.get(node) === at) return
    const seenAt = performance.now() - Math.min(Math.max(0, ageMs), LEASE_MS + 1)
    // Not known before and silent for long: nobody here has heard of it.
    if (!known && ageMs > LEASE_MS) this.#dead.set(node, at)
    else {
      this.#dead.delete(node)
      this.#living.set(node, { at, seenAt })
    }
  }

  /** This node was away. */
  returned(): void {
    const atLeast = performance.now() - LEASE_MS + GRACE_MS
    for (const beat of this.#living.values()) beat.seenAt = Math.max(beat.seenAt, atLeast)
  }

  /** Ends the leases that have run out, and names them. */
  expire(): string[] {
    const now = performance.now()
    for (const [node, at] of this.#left) if (now - at > FAREWELLS_MS) this.#left.delete(node)
    const ended = Array.from(this.#living).filter(([, { seenAt }]) => now - seenAt > LEASE_MS)
    for (const [node, { at }] of ended) {
      this.#living.delete(node)
      this.#dead.set(node, at)
    }
    return ended.map(([node]) => node)
  }

  /** Ends one that has said so, also one whose beat was never seen; `false` when it had said so before. */
  end(node: string): boolean {
    if (this.#left.has(node)) return false
    this.#left.set(node, performance.now())
    this.#living.delete(node)
    return true
  }

  /** Ends all, for nothing is known of them, and names them. They are known again when they are seen. */
  endAll(): string[] {
    const nodes = [...this.#living.keys()]
    this.#living.clear()
    return nodes
  }

  /** Those whose lease has ended, and who are still found. */
  dead(found: ReadonlySet<string>): string[] {
    for (const node of this.#dead.keys()) if (!found.has(node)) this.#dead.delete(node)
    return [...this.#dead.keys()]
  }
}
