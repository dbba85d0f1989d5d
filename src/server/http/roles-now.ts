import type { Role } from '../../protocol/roles.ts'

type Ask = (channel: string) => Role | null | Promise<Role | null>

/**
 * Somebody's roles as they stand when something is done. All are asked for twice: the first time may take as long as the
 * slowest answer, the second follows at once from what is known by then, a removal meanwhile included [FACT3].
 */
export class RolesNow {
  readonly #role: Ask
  readonly #failures = new Map<string, unknown>()
  readonly #asked = new Map<string, Promise<void>>()
  readonly #roles = new Map<string, Role | null>()

  constructor(role: Ask) {
    this.#role = role
  }

  /** Has slow answers come. Where one cannot be had, only what is wanted there fails, and it is not waited for again. */
  async warm(channels: Iterable<string>): Promise<void> {
    await Promise.all(
      Array.from(channels, async (channel) => {
        try {
          await this.#role(channel)
        } catch (error) {
          this.#failures.set(channel, error)
        }
      }),
    )
  }

  /** Asks once for all that is wanted in a channel, so that it keeps its order. */
  ask(channel: string): Promise<void> {
    const asked = this.#asked.get(channel) ?? this.#now(channel)
    this.#asked.set(channel, asked)
    return asked
  }

  of(channel: string): Role | null {
    return this.#roles.get(channel) ?? null
  }

  async #now(channel: string): Promise<void> {
    if (this.#failures.has(channel)) throw this.#failures.get(channel)
    this.#roles.set(channel, await this.#role(channel))
  }
}
