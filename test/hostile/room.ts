import { expect } from 'vitest'
import type { PresenceList } from '../../src/protocol/presence.ts'
import { type Client, connect, expectReply, factsOf, join } from '../support/connect.ts'
import { type ProcessServer, startProcess } from '../support/process-server.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { tokenFor } from '../support/token.ts'
import { until } from '../support/until.ts'

export const channel = 'project:p1'

/** What nobody outside may ever read. */
export const INTERNALS = /\bat .*:\d+:\d+|node_modules|\/work\/|\/tmp\/|\.[jt]s:\d|SQLITE|select .* from|insert into/i

/**
 * A server in a process of its own, with honest people in one room, over both transports. Whatever is done to it, they
 * notice nothing and the process lives: `noticesNothing` says so, and that nothing of the attackers is left.
 */
export class Room {
  readonly server: ProcessServer
  readonly people: readonly Client[]
  readonly #losses: string[] = []
  #published = 0

  private constructor(server: ProcessServer, people: readonly Client[]) {
    this.server = server
    this.people = people
    for (const { socket } of people) socket.on('disconnect', (reason) => this.#losses.push(reason))
  }

  static async open(env: Readonly<Record<string, string>> = {}): Promise<Room> {
    const server = await startProcess(
      { RATE_FACTS_PER_SECOND: '100000', PRESENCE_GRACE_MS: '50', ...env },
      { folder: temporaryFolder() },
    )
    const people = [
      await connect(server, 'nia', { token: tokenFor('nia', { role: 'admin' }) }),
      await connect(server, 'ned', { transport: 'polling', token: tokenFor('ned', { role: 'admin' }) }),
    ]
    for (const person of people) await join(person, channel)
    return new Room(server, people)
  }

  /** A raw connection that has authenticated and joined the room. */
  async attacker(name = 'mallory'): Promise<RawClient> {
    const raw = await RawClient.open(this.server)
    raw.send(connectPacket(name))
    await raw.expect(/"connected"/)
    raw.send(`42900["channel:join",{"channel":"${channel}"}]`)
    await raw.expect(/^43900\[\{"ok":true/)
    return raw
  }

  /** Publishes honest facts, all in one turn: 100 and 100 kB at most. */
  async publish(count = 1, payload: Record<string, unknown> = {}): Promise<void> {
    const events = Array.from({ length: count }, () => ({
      type: 'honest:fact',
      payload: { ...payload, n: this.#published++ },
    }))
    const response = await fetch(`${this.server.url}/api/v1/channels/${channel}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    })
    expect(response.status).toBe(200)
    const { results } = (await response.json()) as { results: { ok: boolean }[] }
    expect(results.map(({ ok }) => ok)).toEqual(Array(count).fill(true))
  }

  /** `rooms`: all channels with members, also everybody's own. */
  async health(): Promise<{ connections: number; rooms: number }> {
    return countsOf(this.server.url)
  }

  /** Waits until nobody but the honest people is connected. */
  async onlyHonestLeft(): Promise<void> {
    await this.#settles({ connections: this.people.length, rooms: this.people.length + 1 })
  }

  /** `foreign`: how many facts the attackers were right to publish. */
  async noticesNothing(foreign = 0): Promise<void> {
    await this.publish()
    await this.onlyHonestLeft()
    for (const person of this.people) {
      await until('the last fact has come', () => factsOf(person, channel).at(-1)?.payload.n === this.#published - 1)
      const facts = factsOf(person, channel)
      expect(facts.map(({ seq }) => seq)).toEqual(Array.from({ length: this.#published + foreign }, (_, i) => i + 1))
      const honest = facts.filter(({ type }) => type === 'honest:fact')
      expect(honest.map(({ payload }) => payload.n)).toEqual(Array.from({ length: this.#published }, (_, i) => i))
      expect(person.received.filter(({ event }) => event === 'error')).toEqual([])
      // Who was lost still counts as present for a moment.
      await expect.poll(() => this.#present(person), { timeout: 20_000 }).toEqual(['ned', 'nia'])
    }
    expect(this.#losses).toEqual([])
    for (const { socket } of this.people) socket.disconnect()
    await this.#settles({ connections: 0, rooms: 0 })
    expect(() => process.kill(this.server.pid, 0)).not.toThrow()
    expect(this.server.output()).not.toMatch(/unhandled|uncaught|was rejected and nobody|RangeError|TypeError/i)
  }

  async #present(person: Client): Promise<string[]> {
    const { members } = await expectReply<PresenceList>(person, 'presence:list', { channel })
    return members.map(({ user }) => user.id).sort()
  }

  async #settles(wanted: { connections: number; rooms: number }): Promise<void> {
    for (let tries = 0; tries < 1000; tries++) {
      const { connections, rooms } = await this.health()
      if (connections === wanted.connections && rooms === wanted.rooms) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await this.health()).toMatchObject(wanted)
  }
}

export async function countsOf(url: string): Promise<{ connections: number; rooms: number }> {
  const stats = (await (await fetch(`${url}/stats`)).json()) as { totalClients: number; channels: object }
  return { connections: stats.totalClients, rooms: Object.keys(stats.channels).length }
}

export function connectPacket(name: string, claims: Record<string, unknown> = {}): string {
  return `40${JSON.stringify({ token: tokenFor(name, claims) })}`
}
