import { expect, test } from 'vitest'
import type { Envelope } from '../../src/protocol/envelope.ts'
import { cleanup } from '../support/cleanup.ts'
import { openRooms } from '../support/membership/rooms.ts'

const channel = 'project:p1'

/** Ben is an editor of a channel that Ann follows. */
async function together() {
  const world = await openRooms((store) => store)
  cleanup(() => world.close())
  for (const userId of ['ann', 'ben']) await set('member:added', userId, 'editor')
  const [ann, ben] = [await world.open('a1', 'ann', true), await world.open('b1', 'ben', false)]
  for (const terminal of [ann, ben])
    expect((await terminal.ask('channel:join', { channel, echo: true }))?.ok).toBe(true)
  async function set(type: string, userId: string, role?: string) {
    await world.publish(channel, { type, payload: { userId, ...(role !== undefined && { role }) } })
  }
  const log = async () => {
    const history = (await ann.ask('channel:history', { channel, after: 0 })) as unknown as { events: Envelope[] }
    return history.events.map(({ type, payload }) => `${type} ${payload.n ?? payload.userId}`)
  }
  return { ben, set, log }
}

test('[FACT2] what somebody writes in the very turn of their removal is not stored after it', async () => {
  const { ben, set, log } = await together()
  const before = ben.ask('task:update', { channel, payload: { n: 1 } })
  const removed = set('member:removed', 'ben')
  const after = ben.ask('task:update', { channel, payload: { n: 2 } })
  expect((await before)?.ok).toBe(true)
  await removed
  expect(await after).toMatchObject({ ok: false, error: { code: 'forbidden' } })
  expect(await log()).toEqual(['member:added ann', 'member:added ben', 'task:update 1', 'member:removed ben'])
})

test('[FACT2] nor in that of their demotion; what the new role allows is', async () => {
  const { ben, set, log } = await together()
  const demoted = set('member:changed', 'ben', 'commenter')
  const task = ben.ask('task:update', { channel, payload: { n: 1 } })
  const comment = ben.ask('comment:create', { channel, payload: { n: 2 } })
  await demoted
  expect(await task).toMatchObject({ ok: false, error: { code: 'forbidden' } })
  expect((await comment)?.ok).toBe(true)
  expect((await log()).slice(2)).toEqual(['member:changed ben', 'comment:create 2'])
})

test('[FACT2] a change of somebody else delays nothing but one question', async () => {
  const { ben, set, log } = await together()
  const added = set('member:added', 'cyd', 'viewer')
  const task = ben.ask('task:update', { channel, payload: { n: 1 } })
  await added
  expect((await task)?.ok).toBe(true)
  expect((await log()).slice(2)).toEqual(['member:added cyd', 'task:update 1'])
})
