import { randomBytes } from 'node:crypto'
import { TRANSPORTS } from '../support/connect.ts'
import { VirtualMember } from './client.ts'
import { History } from './history.ts'

const CONVERGES_EVERY_MS = 20

export interface CrowdOptions {
  readonly url: string
  /** Connections; people have one each, but for `twice`. */
  readonly size?: number
  readonly channels?: number
  /** Whether everybody has a second connection, elsewhere. */
  readonly twice?: boolean
  readonly patienceMs?: number
}

/** Members of a few channels of their own, all over the nodes and on both transports. */
export class Crowd {
  readonly history = new History()
  readonly channels: readonly string[]
  readonly members: readonly VirtualMember[]

  constructor({ url, size = 12, channels: count = 4, twice = false, patienceMs = 50 }: CrowdOptions) {
    const name = randomBytes(3).toString('hex')
    this.channels = Array.from({ length: count }, (_, i) => `project:${name}-${i}`)
    this.members = Array.from({ length: size }, (_, i) => {
      const person = twice ? Math.floor(i / 2) : i
      // Not every other one: of two nodes each would have channels of its own.
      const channels = this.channels.filter((_, at) => at % 2 === (person >> 1) % 2)
      return new VirtualMember({
        client: `c${i}`,
        userId: `u${person}-${name}`,
        url,
        channels,
        patienceMs,
        history: this.history,
        transport: TRANSPORTS[i % 5 === 4 ? 1 : 0] ?? 'websocket',
        // nginx tells addresses apart by their first three octets.
        localAddress: `127.0.${(i % 250) + 1}.1`,
      })
    })
  }

  /** Those of a channel who have not been removed from it. */
  in(channel: string): VirtualMember[] {
    return this.members.filter((member) => member.channels.includes(channel))
  }

  /** Whether each channel has members on different nodes. */
  get isSpread(): boolean {
    return this.channels.every((channel) => new Set(this.in(channel).map(({ node }) => node)).size > 1)
  }

  /**
   * Waits until everybody is in all of their channels and has come to some heads at least.
   * @returns after how many ms; undefined when it took longer than it may
   */
  async reaches(heads: ReadonlyMap<string, number>, withinMs: number): Promise<number | undefined> {
    const began = performance.now()
    const isThere = (member: VirtualMember) =>
      member.isSettled && member.channels.every((channel) => member.seq(channel) >= (heads.get(channel) ?? 0))
    while (!this.members.every(isThere)) {
      if (performance.now() - began > withinMs) return undefined
      await new Promise((resolve) => setTimeout(resolve, CONVERGES_EVERY_MS))
    }
    return performance.now() - began
  }

  close(): void {
    for (const member of this.members) member.close()
  }
}
