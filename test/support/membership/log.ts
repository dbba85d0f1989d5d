import type { Envelope } from '../../../src/protocol/envelope.ts'
import type { MemberRole } from '../../../src/protocol/members.ts'
import type { Role } from '../../../src/protocol/roles.ts'

/** A channel's whole log, and what follows from it alone about who may what, where the members say everything. */
export class Log {
  readonly facts: readonly Envelope[]
  readonly #tokens = new Map<string, number>()

  constructor(facts: readonly Envelope[]) {
    this.facts = facts
    for (const { seq, payload } of facts) for (const token of tokensIn(payload)) this.#tokens.set(token, seq)
  }

  get head(): number {
    return this.facts.length
  }

  /** The fact that brought some content into the channel. */
  placeOf(token: string): number | undefined {
    return this.#tokens.get(token)
  }

  /** What somebody may do after the fact `seq`; null when nothing. */
  roleAt(userId: string, seq: number): Role | null {
    const last = this.facts.slice(0, seq).findLast((fact) => concerns(fact, userId))
    const { role = 'none' } = (last?.payload ?? {}) as { role?: MemberRole }
    return role === 'none' ? null : role
  }

  /** What they may do after the fact `seq`, and what after each later one. */
  rolesFrom(userId: string, seq: number): (Role | null)[] {
    return Array.from({ length: this.head - seq + 1 }, (_, i) => this.roleAt(userId, seq + i))
  }

  /** The first fact in `(from, before)` that shuts somebody out. */
  removalAfter(from: number, userId: string, before = this.head + 1): number | undefined {
    return this.facts
      .slice(from, before - 1)
      .find((fact) => concerns(fact, userId) && ((fact.payload as { role?: MemberRole }).role ?? 'none') === 'none')
      ?.seq
  }
}

/** All that was said has such a mark of its own, by which it is known wherever it turns up. */
export function token(n: number): string {
  return `§${n}§`
}

export function tokensIn(said: unknown): string[] {
  return JSON.stringify(said ?? null).match(/§\d+§/g) ?? []
}

function concerns({ type, payload }: Envelope, userId: string): boolean {
  return type.startsWith('member:') && payload.userId === userId
}
