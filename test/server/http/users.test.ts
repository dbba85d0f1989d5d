import { expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { type Client, clientOf, connect, expectReply, join } from '../../support/connect.ts'
import { startServer, type TestServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'

const messages = '/api/v1/channels/room:r1/messages'

const gone = (client: Client) => new Promise<void>((resolve) => client.socket.once('disconnect', () => resolve()))

/** What a token is refused with at the door; undefined when it is let in. */
function refusalOf(server: TestServer, token: string): Promise<string | undefined> {
  const socket = clientOf(server.url, { token })
  const outcome = new Promise<string | undefined>((resolve) => {
    socket.once('connected', () => resolve(undefined))
    socket.once('connect_error', (error: Error & { data?: { code: string } }) => resolve(error.data?.code))
  })
  socket.connect()
  return outcome
}

const since = (seconds: number) => Math.floor(Date.now() / 1000) - seconds

test('disconnect closes all connections of one person, who may come back', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const [one, two, ben] = [await connect(server, 'ann'), await connect(server, 'ann'), await connect(server, 'ben')]
  const closed = Promise.all([gone(one), gone(two)])
  expect((await api('POST', '/api/v1/users/ann/disconnect')).body).toEqual({ success: true, sessions: 2 })
  await closed
  expect((await api('POST', '/api/v1/users/nobody/disconnect')).body.sessions).toBe(0)
  await expectReply(ben, 'ping', {})
  await join(await connect(server, 'ann'), 'project:p1')
})

test('[LIFE2] revoking a user ends their sessions and refuses the tokens they have, over HTTP too', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const old = tokenFor('ann', { iat: since(60) })
  const ann = await connect(server, 'ann', { token: old })
  const closed = gone(ann)
  expect((await api('GET', messages, undefined, old)).status).toBe(200)
  expect((await api('POST', '/api/v1/users/ann/revoke')).body).toEqual({ success: true, sessions: 1 })
  await closed
  expect(await refusalOf(server, old)).toBe('revoked')
  expect(await api('GET', messages, undefined, old)).toMatchObject({
    status: 403,
    body: { error: { code: 'revoked' } },
  })
  const later = tokenFor('ann', { iat: since(-5) })
  expect(await refusalOf(server, later)).toBeUndefined()
  expect((await api('POST', '/api/v1/users/ann/revoke', { until: Date.now() + 60_000 })).status).toBe(200)
  expect(await refusalOf(server, later)).toBe('revoked')
  expect((await api('POST', '/api/v1/users/ann/revoke', { until: 'soon' })).status).toBe(400)
})

test('[LIFE2] an until that is over is refused, and nobody is revoked; one of this moment replaces a longer one', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ann = await connect(server, 'ann')
  const revoke = (until: number) => api('POST', '/api/v1/users/ann/revoke', { until })
  const expected = 'body: until: expected ms since 1970, later than now'
  for (const [until, message] of [
    [Math.floor(Date.now() / 1000) + 3600, `${expected}; this looks like seconds`],
    [Date.now() - 120_000, expected],
    [0, expected],
  ] as const) {
    expect(await revoke(until)).toMatchObject({ status: 400, body: { error: { code: 'invalid', message } } })
  }
  await expectReply(ann, 'ping', {})
  const later = tokenFor('ann', { iat: since(-5) })
  await revoke(Date.now() + 3_600_000)
  expect(await refusalOf(server, later)).toBe('revoked')
  expect((await revoke(Date.now() - 1000)).status).toBe(200)
  expect(await refusalOf(server, later)).toBeUndefined()
})

test('[LIFE2] revoking a token ends its sessions and refuses it, and no other', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const [bad, good] = [tokenFor('ann', { jti: 'bad' }), tokenFor('ann', { jti: 'good' })]
  const closed = gone(await connect(server, 'ann', { token: bad }))
  const other = await connect(server, 'ann', { token: good })
  expect((await api('POST', '/api/v1/tokens/revoke', { jti: 'bad' })).body).toEqual({ success: true, sessions: 1 })
  await closed
  await expectReply(other, 'ping', {})
  expect(await refusalOf(server, bad)).toBe('revoked')
  expect((await api('GET', messages, undefined, bad)).status).toBe(403)
  expect((await api('GET', messages, undefined, good)).status).toBe(200)
  for (const wrong of [{}, { jti: '' }, { jti: 7 }, undefined]) {
    expect((await api('POST', '/api/v1/tokens/revoke', wrong)).status).toBe(400)
  }
})

test('[MSG1] nobody blocks themselves', async () => {
  const api = await apiOf(await startServer({ apiKeys: [KEY] }))
  const refused = await api('PUT', '/api/v1/users/ann/blocks/ann')
  expect([refused.status, refused.body.error]).toMatchObject([
    400,
    { code: 'invalid', message: expect.stringContaining('blockedId: ') },
  ])
  expect((await api('PUT', '/api/v1/users/ann/blocks/ben')).status).toBe(200)
  expect((await api('DELETE', '/api/v1/users/ann/blocks/ann')).status).toBe(200)
})
