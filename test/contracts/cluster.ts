import { describe, expect, test } from 'vitest'
import type { Cluster, Entry } from '../../src/server/cluster/cluster.ts'
import type { ClusterMessage, FactMessage, PresenceMessage, SignalMessage } from '../../src/server/cluster/message.ts'
import { until } from '../support/until.ts'

/** One instance and what it was told. */
export interface ClusterNode {
  readonly cluster: Cluster
  readonly received: readonly ClusterMessage[]
}

const channel = 'project:p1'

function fact(seq: number, at = channel): FactMessage {
  const envelope = { type: 'task:update', channel: at, epoch: 'e', seq, operationId: `op${seq}`, timestamp: seq }
  return {
    kind: 'fact',
    channel: at,
    fact: { ...envelope, user: { id: 'ann', name: 'Ann' }, payload: { é: ['✓', seq] } },
  }
}

function signal(n: number, at = channel): SignalMessage {
  return {
    kind: 'signal',
    channel: at,
    event: 'cursor',
    body: { n },
    from: { sessionId: 's1', userId: 'ann' },
    key: 'c',
  }
}

function entries(list: readonly Entry[]): string[] {
  return list.map(({ node, key, value }) => JSON.stringify([node, key, value])).sort()
}

/** What every way of joining instances promises, with one instance alone. */
export function aloneContract(name: string, start: () => Promise<ClusterNode>): void {
  describe(`the cluster contract, one node: ${name}`, () => {
    test('hears nothing of its own, and what it is told while it is alone is nobody’s', async () => {
      const { cluster, received } = await start()
      await cluster.subscribe(channel)
      for (let n = 1; n <= 20; n++) cluster.tell(signal(n))
      await cluster.leases.read('scope')
      expect(received).toEqual([])
      cluster.unsubscribe(channel)
      cluster.unsubscribe('project:never')
    })

    test('shows, replaces and hides its own entries', async () => {
      const { cluster } = await start()
      const { node, leases } = cluster
      expect(await leases.read('a')).toEqual([])
      leases.show('a', 'x', { n: 1 })
      leases.show('a', 'y z', [2])
      leases.show('b', 'x', null)
      leases.show('a', 'x', { n: 3 })
      const shown = [
        { node, key: 'x', value: { n: 3 } },
        { node, key: 'y z', value: [2] },
      ]
      expect(entries(await leases.read('a'))).toEqual(entries(shown))
      expect(await leases.read('b')).toEqual([{ node, key: 'x', value: null }])
      leases.hide('a', 'x')
      leases.hide('a', 'never')
      leases.hide('never', 'x')
      expect(await leases.read('a')).toEqual([{ node, key: 'y z', value: [2] }])
      leases.hide('a', 'y z')
      expect(await leases.read('a')).toEqual([])
    })

    test('closing twice is one close', async () => {
      const { cluster } = await start()
      const closed = cluster.close()
      await Promise.all([closed, cluster.close()])
      await cluster.close()
      cluster.tell(signal(1))
      await cluster.subscribe(channel)
      cluster.unsubscribe(channel)
      cluster.leases.show('a', 'x', 1)
      cluster.leases.hide('a', 'x')
    })

    test('has another name after each start', async () => {
      const [one, other] = [await start(), await start()]
      expect(one.cluster.node).not.toBe(other.cluster.node)
      expect(one.cluster.node).not.toMatch(/\s/)
    })
  })
}

/** What it promises with several. */
export function clusterContract(name: string, start: () => Promise<ClusterNode>): void {
  describe(`the cluster contract, several nodes: ${name}`, () => {
    test('what one tells the others get, once, in order and to the letter', async () => {
      const [ann, bob, cyd] = [await start(), await start(), await start()]
      for (const { cluster } of [ann, bob, cyd]) await cluster.subscribe(channel)
      const presence: PresenceMessage = {
        kind: 'presence',
        channel,
        node: ann.cluster.node,
        userId: 'ann',
        version: 3,
        entry: {
          user: { id: 'ann' },
          connections: 2,
          state: { at: 'é' },
          joinedAt: 5,
          stateAt: 6,
          sessions: [{ id: 'a1', since: 5, joinedAt: 5 }],
        },
      }
      const personal = { kind: 'personal', channel, userId: 'ann', event: 'message:read', body: { upTo: 4 } } as const
      const told = [fact(1), signal(1), personal, presence, { ...presence, entry: null, version: 4 }, fact(2)]
      for (const message of told) ann.cluster.tell(message)
      for (const { received } of [bob, cyd]) {
        await until('all has come', () => received.length >= told.length)
        expect(received).toEqual(told)
      }
      expect(ann.received).toEqual([])
    })

    test('a node holding no member of a channel receives none of its traffic', async () => {
      const [ann, bob] = [await start(), await start()]
      await bob.cluster.subscribe('room:other')
      await bob.cluster.subscribe(channel)
      bob.cluster.unsubscribe(channel)
      ann.cluster.tell(fact(1))
      ann.cluster.tell(signal(2, 'room:other'))
      await until('the other channel’s came', () => bob.received.length > 0)
      expect(bob.received).toEqual([signal(2, 'room:other')])
    })

    test('a subscription that was awaited misses nothing', async () => {
      const [ann, bob] = [await start(), await start()]
      for (let n = 0; n < 50; n++) {
        const at = `room:${n}`
        await bob.cluster.subscribe(at)
        ann.cluster.tell(signal(n, at))
      }
      await until('all came', () => bob.received.length >= 50)
      expect(bob.received).toEqual(Array.from({ length: 50 }, (_, n) => signal(n, `room:${n}`)))
    })

    test('of subscribing and unsubscribing at once the last counts', async () => {
      const [ann, bob] = [await start(), await start()]
      const { cluster } = bob
      for (let n = 0; n < 20; n++) {
        void cluster.subscribe('room:on')
        cluster.unsubscribe('room:on')
        void cluster.subscribe('room:off')
        cluster.unsubscribe('room:off')
      }
      await cluster.subscribe('room:on')
      await cluster.subscribe('room:end')
      ann.cluster.tell(signal(1, 'room:off'))
      ann.cluster.tell(signal(2, 'room:on'))
      ann.cluster.tell(signal(3, 'room:end'))
      await until('the last came', () => bob.received.length >= 2)
      expect(bob.received).toEqual([signal(2, 'room:on'), signal(3, 'room:end')])
    })

    test('a channel that two rooms of a node subscribe to is heard until both have let go of it', async () => {
      const [ann, bob] = [await start(), await start()]
      await Promise.all([bob.cluster.subscribe(channel), bob.cluster.subscribe(channel)])
      await bob.cluster.subscribe('room:end')
      bob.cluster.unsubscribe(channel)
      ann.cluster.tell(signal(1))
      await until('it came', () => bob.received.length > 0)
      bob.cluster.unsubscribe(channel)
      await bob.cluster.subscribe('room:mark')
      ann.cluster.tell(signal(2))
      ann.cluster.tell(signal(3, 'room:end'))
      await until('the last came', () => bob.received.length > 1)
      expect(bob.received).toEqual([signal(1), signal(3, 'room:end')])
    })

    test('what was shown before a message was told is read by whoever gets the message', async () => {
      const [ann, bob] = [await start(), await start()]
      await bob.cluster.subscribe(channel)
      for (let n = 1; n <= 30; n++) {
        ann.cluster.leases.show('presence', 'ann', { n })
        ann.cluster.tell(signal(n))
        await until('it came', () => bob.received.length >= n)
        expect(await bob.cluster.leases.read('presence')).toEqual([
          { node: ann.cluster.node, key: 'ann', value: { n } },
        ])
      }
      ann.cluster.leases.hide('presence', 'ann')
      ann.cluster.tell(signal(31))
      await until('the last came', () => bob.received.length >= 31)
      expect(await bob.cluster.leases.read('presence')).toEqual([])
    })

    test('all nodes read the same, each entry with its node', async () => {
      const nodes = [await start(), await start(), await start()]
      nodes.forEach(({ cluster }, n) => {
        cluster.leases.show('users', 'shared', n)
        cluster.leases.show('users', `__proto__ ${n}`, { n })
      })
      const shown = nodes.flatMap(({ cluster: { node } }, n) => [
        { node, key: 'shared', value: n },
        { node, key: `__proto__ ${n}`, value: { n } },
      ])
      for (const { cluster } of nodes) {
        let read: Entry[] = []
        // Each write is on its way on a connection of its own.
        while (read.length < 6) read = await cluster.leases.read('users')
        expect(entries(read)).toEqual(entries(shown))
      }
    })
  })
}
