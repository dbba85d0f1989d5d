import { expect, test } from 'vitest'
import type { Present } from '../../src/server/presence/person.ts'
import { Presence } from '../../src/server/presence/presence.ts'
import { cleanup } from '../support/cleanup.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'
const NEVER_MS = 600_000

/** A session of Ann's. */
const ann = (id: string, name = 'Ann'): Present => ({ id, author: { id: 'ann', name } })
const ben: Present = { id: 'b1', author: { id: 'ben' } }

/** Presence, and all it told: the event, whom it is about, and which session is left out. */
function presenceWith(graceMs: number) {
  const told: string[] = []
  const presence = new Presence({
    graceMs,
    channels: {
      tell(_channel, event, body, except) {
        const { userId, member } = body as { userId?: string; member?: { user: { id: string } } }
        told.push([event, userId ?? member?.user.id, ...(except === undefined ? [] : ['not to', except])].join(' '))
      },
    },
  })
  cleanup(() => presence.stop())
  /** What was told since the last time. */
  return { presence, told: () => told.splice(0) }
}

test('[PRE3] a lost person stays as they were, with no connections, and comes back unannounced', () => {
  const { presence, told } = presenceWith(NEVER_MS)
  presence.enter(channel, ann('a1'), { busy: true })
  const [here] = presence.list(channel).members
  expect(told()).toEqual(['presence:join ann not to a1'])
  presence.lose(channel, ann('a1'))
  expect(presence.list(channel)).toEqual({ members: [{ ...here, connections: 0 }], connections: 0 })
  expect(presence.size).toBe(1)
  presence.enter(channel, ann('a2'))
  expect(presence.list(channel)).toEqual({ members: [here], connections: 1 })
  presence.enter(channel, ann('a2'), { busy: true })
  expect(told()).toEqual([])
  presence.leave(channel, ann('a2'))
  expect(told()).toEqual(['presence:leave ann'])
  expect(presence.size).toBe(0)
})

test('[PRE3] who comes back with another state or a newer name has it, the state announced', () => {
  const { presence, told } = presenceWith(NEVER_MS)
  presence.enter(channel, ann('a1'), { busy: true, at: { x: 1 } })
  presence.lose(channel, ann('a1'))
  told()
  presence.enter(channel, ann('a2', 'Ann Lee'), { at: { x: 1 }, busy: true })
  expect(told()).toEqual([])
  presence.lose(channel, ann('a2'))
  presence.enter(channel, ann('a3', 'Ann Lee'), { busy: false })
  expect(told()).toEqual(['presence:update ann not to a3'])
  expect(presence.list(channel).members).toMatchObject([{ user: { name: 'Ann Lee' }, state: { busy: false } }])
})

test('[PRE3] the last session leaves while another is still waited for: the person goes with the wait', async () => {
  for (const graceMs of [NEVER_MS, 1]) {
    const { presence, told } = presenceWith(graceMs)
    presence.enter(channel, ann('a1'))
    presence.enter(channel, ann('a2'))
    presence.lose(channel, ann('a1'))
    presence.leave(channel, ann('a2'))
    expect(told()).toEqual(['presence:join ann not to a1'])
    expect(presence.list(channel)).toMatchObject({ members: [{ connections: 0 }], connections: 0 })
    if (graceMs === NEVER_MS) {
      presence.enter(channel, ann('a3'))
      expect(told()).toEqual([])
    } else {
      await until('the wait is over', () => presence.size === 0)
      expect(told()).toEqual(['presence:leave ann'])
    }
  }
})

test('[PRE3] once a lost session has come back, or its time is over, the last one that leaves is gone at once', async () => {
  const back = presenceWith(NEVER_MS)
  back.presence.enter(channel, ann('a1'))
  back.presence.enter(channel, ann('a2'))
  back.presence.lose(channel, ann('a1'))
  // One that was here all the while has not come back.
  back.presence.enter(channel, ann('a2'))
  back.presence.enter(channel, ann('a3'))
  back.presence.leave(channel, ann('a3'))
  back.presence.leave(channel, ann('a2'))
  expect(back.told()).toEqual(['presence:join ann not to a1', 'presence:leave ann'])

  const over = presenceWith(1)
  over.presence.enter(channel, ann('a1'))
  over.presence.enter(channel, ann('a2'))
  over.presence.enter(channel, ben)
  over.presence.lose(channel, ann('a1'))
  over.presence.lose(channel, ben)
  await until('Ben is gone, who was lost later', () => over.presence.size === 1)
  over.told()
  over.presence.leave(channel, ann('a2'))
  expect(over.told()).toEqual(['presence:leave ann'])
  expect(over.presence.size).toBe(0)
})

test('[JOIN6] a session that joins again has not come back: the other one is still waited for', () => {
  const { presence, told } = presenceWith(NEVER_MS)
  presence.enter(channel, ann('a1'))
  presence.enter(channel, ann('a2'))
  presence.lose(channel, ann('a1'))
  presence.enter(channel, ann('a2'))
  presence.leave(channel, ann('a2'))
  expect(told()).toEqual(['presence:join ann not to a1'])
})

test('a session that is not here changes nothing, however it ends', () => {
  const { presence, told } = presenceWith(NEVER_MS)
  presence.lose(channel, ann('a1'))
  presence.leave(channel, ann('a1'))
  expect(presence.size).toBe(0)
  presence.enter(channel, ann('a1'))
  presence.lose(channel, ann('a2'))
  presence.leave(channel, ann('a1'))
  presence.lose(channel, ann('a1'))
  expect(told()).toEqual(['presence:join ann not to a1', 'presence:leave ann'])
  expect(presence.size).toBe(0)
  presence.enter(channel, ann('a1'))
  presence.lose(channel, ann('a1'))
  // Lost already: its end, told late, does not end the wait.
  presence.leave(channel, ann('a1'))
  expect(presence.size).toBe(1)
})

test('[PRE3] without a grace a loss is a leave', () => {
  const { presence, told } = presenceWith(0)
  presence.enter(channel, ann('a1'))
  presence.lose(channel, ann('a1'))
  expect(told()).toEqual(['presence:join ann not to a1', 'presence:leave ann'])
  expect(presence.size).toBe(0)
})

test('who loses the right is forgotten at once: while waited for, while here, in one channel or all', () => {
  const { presence, told } = presenceWith(NEVER_MS)
  presence.enter(channel, ann('a1'))
  presence.enter('project:p2', ann('a1'))
  presence.enter('project:p3', ann('a1'))
  presence.enter(channel, ben)
  presence.lose(channel, ann('a1'))
  told()
  presence.forget(channel, 'ann')
  presence.forget(channel, 'ann')
  presence.forget(channel, 'nobody')
  expect(told()).toEqual(['presence:leave ann'])
  expect(presence.list(channel).members.map(({ user }) => user.id)).toEqual(['ben'])

  presence.lose('project:p2', ann('a1'))
  presence.forgetEverywhere('ann')
  expect(told()).toEqual(['presence:leave ann', 'presence:leave ann'])
  // Its sessions end afterwards, and have nothing to say.
  presence.update('project:p3', ann('a1'), { busy: true })
  presence.leave('project:p3', ann('a1'))
  presence.lose('project:p2', ann('a1'))
  expect(told()).toEqual([])
  expect(presence.size).toBe(1)
})

test('who was forgotten and is let in again is not taken out by the wait of before', async () => {
  const { presence, told } = presenceWith(1)
  presence.enter(channel, ann('a1'))
  presence.lose(channel, ann('a1'))
  presence.forget(channel, 'ann')
  presence.enter(channel, ann('a2'))
  presence.enter(channel, ben)
  presence.lose(channel, ben)
  await until('Ben is gone, who was lost later', () => told().includes('presence:leave ben'))
  expect(presence.list(channel).members).toMatchObject([{ user: { id: 'ann' }, connections: 1 }])
})

test('stopped, nobody is waited for and nothing is told', async () => {
  const [stopped, other] = [presenceWith(1), presenceWith(1)]
  for (const { presence } of [stopped, other]) {
    presence.enter(channel, ann('a1'))
    presence.lose(channel, ann('a1'))
  }
  stopped.presence.stop()
  stopped.presence.stop()
  expect(stopped.presence.size).toBe(0)
  await until('the wait is over', () => other.presence.size === 0)
  expect(other.told()).toContain('presence:leave ann')
  expect(stopped.told()).toEqual(['presence:join ann not to a1'])
})
