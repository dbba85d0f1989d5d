import type { VirtualMember } from './client.ts'
import type { Random } from './random.ts'

export interface LoadOptions {
  readonly members: readonly VirtualMember[]
  /** Facts a second of all of them together. */
  readonly perSecond: number
  readonly random: Random
  /** Begins every operationId. */
  readonly name: string
  /** Called with what was acknowledged, as for sending it again. */
  readonly acknowledged?: (
    author: VirtualMember,
    channel: string,
    operationId: string,
    payload: object,
  ) => Promise<void>
}

/** Has members publish, each at its own pace and one after the other, while it runs. */
export class Load {
  readonly #options: LoadOptions
  #lanes: Promise<void>[] = []
  #running = false
  #sent = 0

  constructor(options: LoadOptions) {
    this.#options = options
  }

  /** Starting twice is one start. */
  start(): void {
    if (this.#running) return
    this.#running = true
    this.#lanes = this.#options.members.map((member) => this.#lane(member))
  }

  /** Resolves when nothing is under way any more. Stopping twice is one stop. */
  async stop(): Promise<void> {
    this.#running = false
    await Promise.all(this.#lanes)
  }

  async #lane(member: VirtualMember): Promise<void> {
    const { members, perSecond, random, name, acknowledged } = this.#options
    const everyMs = (1000 * members.length) / perSecond
    while (this.#running && !member.isClosed && member.channels.length > 0) {
      const channel = random.pick(member.channels)
      const operationId = `${name}-${this.#sent++}`
      const dueAt = performance.now() + everyMs * (0.5 + random.next())
      const payload = { text: 'x'.repeat(random.between(0, 200)) }
      if (await member.publish(channel, operationId, payload))
        await acknowledged?.(member, channel, operationId, payload)
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())))
    }
  }
}
