import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { memberKey } from '../../src/server/access/members.ts'
import { Channels } from '../../src/server/channels/channels.ts'
import type { Outgoing, Subscriber } from '../../src/server/channels/delivery.ts'
import { openSqliteStore } from '../../src/server/store/sqlite.ts'
import type { Store } from '../../src/server/store/store.ts'
import { cleanup } from '../support/cleanup.ts'
import { oneInstance } from '../support/one-instance.ts'

const channel = 'project:p1'

async function openStore(): Promise<Store> {
  const retention = { facts: 10_000, days: 7 }
  const store = await openSqliteStore({ file: ':memory:', synchronous: 'normal', retention })
  cleanup(() => store.close())
  return store
}

/** Somebody over a store of their own, for whom `hides` says whether they are blocked by now. */
async function joiner(hides: () => boolean) {
  const limits = { maxCatchUp: 1000, maxReplyBytes: 2 ** 20 }
  const store = await openStore()
  const channels = new Channels({ ...oneInstance(store), standsBy: memberKey, rules: {}, reactions: {}, ...limits })
  const told: string[] = []
  const ben: Subscriber = {
    id: 's1',
    userId: 'ben',
    closed: false,
    reset() {},
    ready: true,
    measure: () => 100,
    hides,
    hidesSignalsOf: hides,
    deliver: (events: readonly Outgoing[]) => void told.push(...events.map(({ event }) => event)),
  }
  return { channels, ben, told }
}

test('[MSG1] who is blocked while they join is told none of it in the reply either', async () => {
  let isBlocked = false
  const { channels, ben } = await joiner(() => isBlocked)
  const payload = { content: 'secret' }
  await channels.publish({ channel, type: 'message:send', payload, user: { id: 'ann' }, role: 'editor' })
  const { log } = await channels.join(
    ben,
    { channel, last: 10 },
    {
      admit: async () => {},
      async beside() {
        // The block has been answered by now.
        isBlocked = true
        await turn()
        return {}
      },
      enter() {},
    },
  )
  expect(log.events.map(({ type }) => type)).toEqual(['hidden'])
})

test('[JOIN6] [SEQ3] a joining again that fails changes nothing, echo included', async () => {
  const { channels, ben, told } = await joiner(() => false)
  const door = { admit: async () => {}, beside: async () => ({}), enter() {} }
  const joined = await channels.join(ben, { channel }, door)
  joined.open()
  const refused = { ...door, admit: () => Promise.reject(new Error('not now')) }
  await expect(channels.join(ben, { channel, echo: true }, refused)).rejects.toThrow('not now')
  const fact = { channel, type: 'task:update', payload: {}, user: { id: 'ben' }, role: 'editor' } as const
  await channels.publish({ ...fact, origin: 's1' })
  await channels.publish(fact)
  await turn()
  await turn()
  expect(told).toEqual(['task:update'])
})

test('[JOIN5] who joins in the moment in which the last member leaves is told what follows', async () => {
  const { channels, ben, told } = await joiner(() => false)
  const door = { admit: async () => {}, beside: async () => ({}), enter() {} }
  const ann: Subscriber = { ...ben, id: 's0', userId: 'ann', deliver() {} }
  const first = await channels.join(ann, { channel }, door)
  first.open()
  const joining = channels.join(ben, { channel }, door)
  channels.leave(ann, channel)
  const joined = await joining
  joined.open()
  await channels.publish({ channel, type: 'task:update', payload: {}, user: null, role: 'admin' })
  await turn()
  await turn()
  expect(told).toEqual(['task:update'])
})
