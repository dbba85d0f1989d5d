import { expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, expectNothing, expectRefusal, expectReply, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'

const channel = 'project:p1'
const path = `/api/v1/channels/${channel}/members`

test('[FACT3] members are set, listed, changed and removed, each change a fact and at once', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const [ann, ben] = [await connect(server, 'ann'), await connect(server, 'ben')]
  await join(ann, channel)
  await join(ben, channel)
  expect((await api('GET', path)).body).toEqual({ success: true, members: [] })
  expect(await api('GET', `${path}/ann`)).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })

  const added = await api('PUT', `${path}/ann`, { role: 'viewer' })
  expect(added.body).toMatchObject({ member: { userId: 'ann', role: 'viewer' }, fact: { seq: 1 } })
  expect(await expectEvent(ben, 'member:added')).toMatchObject({ seq: 1, payload: { userId: 'ann', role: 'viewer' } })
  const update = { channel, payload: { id: 't1' } }
  expect((await expectRefusal(ann, 'task:update', update)).code).toBe('forbidden')
  expect((await api('PUT', `${path}/ann`, { role: 'viewer' })).body).toEqual({
    success: true,
    member: { userId: 'ann', role: 'viewer' },
  })
  expect((await api('PUT', `${path}/ann`, { role: 'editor' })).body.fact).toMatchObject({ seq: 2 })
  await expectReply(ann, 'task:update', update)
  expect((await api('GET', `${path}/ann`)).body.member).toEqual({ userId: 'ann', role: 'editor' })
  expect((await api('GET', path)).body.members).toEqual([{ userId: 'ann', role: 'editor' }])

  expect((await api('PUT', `${path}/ann`, { role: 'none' })).status).toBe(200)
  expect(await expectEvent(ann, 'channel:left')).toEqual({ channel, reason: 'removed' })
  expect((await expectRefusal(ann, 'channel:join', { channel })).code).toBe('forbidden')
  expect((await api('DELETE', `${path}/ann`)).body.fact).toMatchObject({ seq: 5 })
  expect((await api('GET', path)).body.members).toEqual([])
  expect((await api('DELETE', `${path}/ann`)).status).toBe(404)
  await expectNothing(ben, 'channel:left')
})

test('what cannot be a member or a role is refused, by its field', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const wrong: [path: string, body: unknown, field: string][] = [
    [`${path}/ann`, { role: 'owner' }, 'body: role: '],
    [`${path}/ann`, {}, 'body: role: '],
    [`${path}/ann`, undefined, 'body: '],
    [`${path}/${'x'.repeat(257)}`, { role: 'viewer' }, 'path: userId: '],
    [`${path}/a%00b`, { role: 'viewer' }, 'path: userId: '],
    ['/api/v1/channels/nowhere/members/ann', { role: 'viewer' }, 'path: channel: '],
    ['/api/v1/channels/user:ann/members/ben', { role: 'viewer' }, 'channel: '],
  ]
  for (const [at, body, field] of wrong) {
    const { status, body: answer } = await api('PUT', at, body)
    expect([status, answer.error?.code], at).toEqual([400, 'invalid'])
    expect(answer.error?.message, at).toMatch(new RegExp(`^${field}`))
  }
  expect((await api('GET', path)).body.members).toEqual([])
})
