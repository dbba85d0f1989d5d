import { expect, test } from 'vitest'
import { jsonBytes } from '../../src/protocol/limits.ts'
import { createAlone } from '../../src/server/cluster/alone.ts'
import type { Present } from '../../src/server/presence/here.ts'
import { Presence } from '../../src/server/presence/presence.ts'
import { cleanup } from '../support/cleanup.ts'
import { until } from '../support/until.ts'

const channel = 'project:p1'
const NEVER_MS = 600_000

/** A session of Ann's. */
const ann = (id: string, name = 'Ann'): Present => ({ id, author: { id: 'ann', name } })
const ben: Present = { id: 'b1', author: { id: 'ben' } }

/** Presence, and all it told: the event, whom it is about, and which session is left out; and the states of updates. */
function presenceWith(graceMs: number, updateEveryMs?: number) {
  const told: string[] = []
  const states: unknown[] = []
  const presence = new Presence({
    graceMs,
    cluster: createAlone(),
    ...(updateEveryMs !== undefined && { updateEveryMs }),
    channels: {
      hasSome: () => false,
      tellSome() {},
      tell(_channel, event, body, except) {
        const { userId, member, state } = body as {
          userId?: string
          member?: { user: { id: string } }
          state?: unknown
        }
        told.push([event, userId ?? member?.user.id, ...(except === undefined ? [] : ['not to', except])].join(' '))
        if (event === 'presence:update') states.push(state)
      },
    },
  })
  cleanup(() => presence.stop())
  /** What was told since the last time. */
  return { presence, states, told: () => told.splice(0) }
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

test('[PRE2] an update is told at once, and of those that follow too soon only the newest, when its time has come', async () => {
  const { presence, told, states } = presenceWith(NEVER_MS, 500)
  presence.enter(channel, ann('a1'))
  presence.enter(channel, ann('a2'))
  presence.enter(channel, ben)
  told()
  for (let n = 1; n <= 95; n++) presence.update(channel, ann(n % 2 ? 'a1' : 'a2'), { n })
  expect(told()).toEqual(['presence:update ann not to a1'])
  expect(presence.list(channel).members).toMatchObject([{ state: { n: 95 } }, { state: {} }])
  presence.enter(channel, ann('a2'), { n: 96 })
  // Somebody else's are not held up, nor one's own elsewhere.
  presence.update(channel, ben, { n: 'ben' })
  expect(told()).toEqual(['presence:update ben not to b1'])
  presence.enter('project:p2', ann('a1'))
  presence.update('project:p2', ann('a1'), { n: 'p2' })
  expect(told()).toEqual(['presence:join ann not to a1', 'presence:update ann not to a1'])
  await until('the newest is told', () => states.length === 4)
  expect(told()).toEqual(['presence:update ann not to a2'])
  expect(states).toEqual([{ n: 1 }, { n: 'ben' }, { n: 'p2' }, { n: 96 }])
})

test('[PRE2] after what was held up has been told the next is held up again', async () => {
  const { presence, told, states } = presenceWith(NEVER_MS, 500)
  presence.enter(channel, ann('a1'))
  for (const n of [1, 2]) presence.update(channel, ann('a1'), { n })
  await until('the second is told', () => states.length === 2)
  for (const n of [3, 4]) presence.update(channel, ann('a1'), { n })
  await until('the fourth is told', () => states.length === 3)
  expect(states).toEqual([{ n: 1 }, { n: 2 }, { n: 4 }])
  expect(told()).toHaveLength(4)
})

test('[PRE2] after a rest an update is told at once', async () => {
  const { presence, states } = presenceWith(NEVER_MS, 1)
  presence.enter(channel, ann('a1'))
  presence.update(channel, ann('a1'), { n: 1 })
  await new Promise((resolve) => setTimeout(resolve, 5))
  presence.update(channel, ann('a1'), { n: 2 })
  expect(states).toEqual([{ n: 1 }, { n: 2 }])
})

test('[PRE2] nothing is told of somebody after their leave, however they went', async () => {
  const ends: Record<string, (presence: Presence) => void> = {
    leave: (presence) => presence.leave(channel, ann('a1')),
    lose: (presence) => presence.lose(channel, ann('a1')),
    forget: (presence) => presence.forget(channel, 'ann'),
    'forget everywhere': (presence) => presence.forgetEverywhere('ann'),
    stop: (presence) => presence.stop(),
  }
  const ended = Object.entries(ends).map(([how, end]) => {
    const { presence, told } = presenceWith(0, 300)
    presence.enter(channel, ann('a1'))
    for (const n of [1, 2]) presence.update(channel, ann('a1'), { n })
    told()
    end(presence)
    expect(told(), how).toEqual(how === 'stop' ? [] : ['presence:leave ann'])
    // Nor of the one who comes back, whose state is another.
    presence.enter(channel, ann('a3'))
    return { how, told }
  })
  const later = presenceWith(0, 300)
  later.presence.enter(channel, ann('a1'))
  for (const n of [1, 2]) later.presence.update(channel, ann('a1'), { n })
  await until('one that was held up later is told', () => later.states.length === 2)
  for (const { how, told } of ended) expect(told(), how).toEqual(['presence:join ann not to a3'])
})

test('[PRE2] a person who is waited for is still told of', async () => {
  const { presence, told, states } = presenceWith(NEVER_MS, 500)
  presence.enter(channel, ann('a1'))
  for (const n of [1, 2]) presence.update(channel, ann('a1'), { n })
  presence.lose(channel, ann('a1'))
  await until('the newest is told', () => states.length === 2)
  expect(told().slice(1)).toEqual(['presence:update ann not to a1', 'presence:update ann not to a1'])
  expect(states).toEqual([{ n: 1 }, { n: 2 }])
})

/** A hundred people, some with a name that takes more bytes than letters, who show about 4 kB, little or nothing. */
function crowd(presence: Presence): void {
  for (let i = 0; i < 100; i++) {
    const author = { id: `u${i}`, ...(i % 3 === 0 && { name: `Zoë ${'ø'.repeat(i)}` }) }
    const state = i % 5 === 0 ? {} : i % 5 === 1 ? { small: i } : { x: 'ü'.repeat(2000) }
    presence.enter(channel, { id: `s${i}`, author }, state)
    if (i % 7 === 0) presence.enter(channel, { id: `t${i}`, author })
  }
}

test('[PRE1] a list is as long as is allowed: first states are left out, then people, who are counted', () => {
  const { presence } = presenceWith(NEVER_MS)
  crowd(presence)
  const whole = presence.list(channel)
  expect(whole.members).toHaveLength(100)
  expect(whole).not.toHaveProperty('omitted')
  const [wholeBytes, states] = [jsonBytes(whole), whole.members.map(({ state }) => jsonBytes(state))]
  const bareBytes = wholeBytes - states.reduce((sum, bytes) => sum + bytes - 2, 0)
  for (const maxBytes of [0, 100, 3000, bareBytes - 1, bareBytes + 50, 60_000, 262_144, wholeBytes + 50]) {
    const { members, connections, omitted = 0 } = presence.list(channel, maxBytes)
    const bytes = jsonBytes({ members, connections, ...(omitted > 0 && { omitted }) })
    if (maxBytes > 0) expect(bytes).toBeLessThanOrEqual(maxBytes)
    expect(connections).toBe(whole.connections)
    expect(members.length + omitted).toBe(100)
    // In the order they came, each as they are, but for a state that did not fit.
    const left = maxBytes - bytes
    members.forEach((member, i) => {
      const full = whole.members[i]
      if (jsonBytes(member.state) === 2) expect(member).toEqual({ ...full, state: {} })
      else expect(member).toEqual(full)
      // A state that is left out would not have fitted: 32 bytes for what a list may be too careful.
      if (member.state !== full?.state && jsonBytes(full?.state) > 2)
        expect(jsonBytes(full?.state)).toBeGreaterThan(left - 32)
    })
    if (maxBytes >= bareBytes + 32) expect(omitted).toBe(0)
    else expect(members.some(({ state }) => 'x' in state)).toBe(false)
  }
  expect(presence.list(channel, wholeBytes + 32)).toEqual(whole)
})

test('[PRE1] what an entry takes is known anew when its state, its name or its connections change', () => {
  const { presence } = presenceWith(NEVER_MS)
  const fits = () => {
    const whole = presence.list(channel)
    expect(presence.list(channel, jsonBytes(whole) + 32)).toEqual(whole)
    expect(presence.list(channel, jsonBytes(whole) - 1)).not.toEqual(whole)
  }
  presence.enter(channel, ann('a1'), { x: 'x'.repeat(500) })
  fits()
  presence.update(channel, ann('a1'), { x: 'x'.repeat(1000) })
  fits()
  presence.update(channel, ann('a1'), {})
  fits()
  presence.enter(channel, ann('a2', 'A'.repeat(500)))
  fits()
  for (let i = 3; i < 12; i++) presence.enter(channel, ann(`a${i}`, 'Ann'))
  fits()
})

test('[PRE1] what people show is measured once, however many ask', () => {
  const { presence } = presenceWith(NEVER_MS)
  let measured = 0
  const state = { toJSON: () => ({ measured: measured++ }) }
  presence.enter(channel, ann('a1'), state)
  for (let i = 0; i < 50; i++) {
    presence.enter(channel, { id: `s${i}`, author: { id: `u${i}` } })
    presence.list(channel, 10_000)
  }
  expect(measured).toBe(1)
})
