import { expect, test } from 'vitest'
import { type Api, apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'
import { tokenFor } from '../../support/token.ts'

const channel = 'room:r1'
const path = `/api/v1/channels/${channel}/messages`
const ANN = tokenFor('ann', { name: 'Ann' })
const BEN = tokenFor('ben')

async function start() {
  const server = await startServer({ apiKeys: [KEY] })
  return { server, api: await apiOf(server) }
}

async function contents(api: Api, query = '', as?: string): Promise<unknown[]> {
  const { body } = await api('GET', path + query, undefined, as)
  return (body.messages as { content: string }[]).map(({ content }) => content)
}

test('messages are sent as oneself with a token, as anybody or nobody with a key, and listed newest first', async () => {
  const { server, api } = await start()
  const cay = await connect(server, 'cay')
  await join(cay, channel)
  const sent = await api('POST', path, { content: 'one', id: 'm1' }, ANN)
  expect(sent.body).toMatchObject({ success: true, seq: 1, messageId: 'm1' })
  expect(await expectEvent(cay, 'message:send')).toMatchObject({
    user: { id: 'ann', name: 'Ann' },
    payload: { id: 'm1', content: 'one', user: { id: 'ann', name: 'Ann' } },
  })
  await api('POST', path, { content: 'two', userId: 'ben', replyTo: 'm1' })
  await api('POST', path, { content: 'three' })
  const { body } = await api('GET', path, undefined, ANN)
  expect(body).toMatchObject({
    messages: [
      { content: 'three', user: null },
      { content: 'two', user: { id: 'ben' }, replyTo: 'm1' },
      { content: 'one', user: { id: 'ann' } },
    ],
    hasMore: false,
  })
  expect((await api('GET', `${path}?before=3&limit=1`)).body).toMatchObject({
    messages: [{ content: 'two' }],
    hasMore: true,
  })
})

test('[API2] an operationId makes a message safe to send again', async () => {
  const { api } = await start()
  const first = await api('POST', path, { content: 'one', operationId: 'op' }, ANN)
  const again = await api('POST', path, { content: 'one', operationId: 'op' }, ANN)
  expect(again.body).toEqual({ ...first.body, duplicate: true })
  expect((await api('POST', path, { content: 'two', operationId: 'op' }, ANN)).body.error?.code).toBe(
    'operation_mismatch',
  )
  expect(await contents(api)).toEqual(['one'])
})

test('a message is edited and deleted by its author, with a token or on their behalf, and by nobody else', async () => {
  const { api } = await start()
  await api('POST', path, { content: 'one', id: 'm1' }, ANN)
  const edit = (content: string, as?: string, more = {}) => api('PATCH', `${path}/m1`, { content, ...more }, as)
  expect((await edit('mine', BEN)).status).toBe(403)
  expect((await edit('mine', KEY, { userId: 'ben' })).status).toBe(403)
  expect((await api('DELETE', `${path}/m1`, undefined, BEN)).status).toBe(403)
  expect((await api('DELETE', `${path}/m1?userId=ben`)).status).toBe(403)
  expect(await contents(api)).toEqual(['one'])
  expect((await edit('two', ANN)).body).toMatchObject({ messageId: 'm1', seq: 2 })
  expect((await edit('three', KEY, { userId: 'ann' })).status).toBe(200)
  // A server in its own name may take words away, not change them.
  const message = "body: userId: expected the author's id: only the author edits a message"
  expect(await edit('four')).toMatchObject({
    status: 400,
    body: { error: { code: 'invalid', message, details: [{ path: 'userId' }] } },
  })
  expect(await contents(api)).toEqual(['three'])
  expect((await api('PATCH', `${path}/none`, { content: 'x' }, ANN)).status).toBe(404)
  const gone = await api('DELETE', `${path}/m1?operationId=op`, undefined, ANN)
  expect(gone.body).toMatchObject({ messageId: 'm1', operationId: 'op' })
  expect((await api('DELETE', `${path}/m1?operationId=op`, undefined, ANN)).body.duplicate).toBe(true)
  expect((await api('DELETE', `${path}/m1`, undefined, ANN)).status).toBe(404)
  await api('POST', path, { content: 'spam', id: 'm2' }, BEN)
  expect((await api('DELETE', `${path}/m2`)).status).toBe(200)
  expect(await contents(api)).toEqual(['', ''])
  await api('POST', path, { content: 'of the app', id: 'm3' })
  expect((await api('PATCH', `${path}/m3`, { content: 'of the app, again' })).status).toBe(200)
  expect((await api('PATCH', `${path}/none`, { content: 'x' })).status).toBe(404)
})

test('[FACT2] A15 with a token one is nobody else, and does only what one may', async () => {
  const { api } = await start()
  await api('POST', path, { content: 'secret' })
  for (const as of [ANN, BEN]) expect((await api('POST', path, { content: 'x', userId: 'cay' }, as)).status).toBe(403)
  expect((await api('GET', `${path}?userId=ben`, undefined, ANN)).status).toBe(403)
  const role = (name: string) => api('PUT', `/api/v1/channels/${channel}/members/ann`, { role: name })
  await role('viewer')
  expect((await api('POST', path, { content: 'x' }, ANN)).status).toBe(403)
  expect(await contents(api, '', ANN)).toEqual(['secret'])
  await role('none')
  const refused = await api('GET', path, undefined, ANN)
  expect([refused.status, JSON.stringify(refused.body)]).toEqual([403, expect.not.stringContaining('secret')])
  expect((await api('POST', path, { content: 'x' }, ANN)).status).toBe(403)
  await role('admin')
  expect((await api('POST', path, { content: 'of ben', id: 'm2' }, BEN)).status).toBe(200)
  expect((await api('DELETE', `${path}/m2`, undefined, ANN)).status).toBe(200)
  expect((await api('GET', '/api/v1/channels/user:ben/messages', undefined, ANN)).status).toBe(403)
})

test('[MSG1] whoever is blocked is not listed what is kept from them, whichever way they ask', async () => {
  const { api } = await start()
  await api('POST', path, { content: 'of ann' }, ANN)
  await api('POST', path, { content: 'of ben' }, BEN)
  await api('PUT', '/api/v1/users/ann/blocks/ben')
  expect(await contents(api, '', BEN)).toEqual(['of ben'])
  expect(await contents(api, '?userId=ben')).toEqual(['of ben'])
  expect(await contents(api, '', ANN)).toEqual(['of ben', 'of ann'])
  expect(await contents(api)).toEqual(['of ben', 'of ann'])
  await api('DELETE', '/api/v1/users/ann/blocks/ben')
  expect(await contents(api, '', BEN)).toEqual(['of ben', 'of ann'])
})

test('what is wrong is named by its field', async () => {
  const { api } = await start()
  const wrong: [method: string, at: string, body: unknown, field: string][] = [
    ['POST', path, { content: '' }, 'body: content: '],
    ['POST', path, { content: 'x'.repeat(4001) }, 'body: content: '],
    ['POST', path, { content: 'x', operationId: '' }, 'body: operationId: '],
    ['POST', path, {}, 'body: content: '],
    ['PATCH', `${path}/m1`, { content: 7 }, 'body: content: '],
    ['GET', `${path}?limit=101`, undefined, 'query: limit: '],
    ['GET', `${path}?before=x`, undefined, 'query: before: '],
    ['DELETE', `${path}/${'x'.repeat(129)}`, undefined, 'path: id: '],
  ]
  for (const [method, at, body, field] of wrong) {
    const { status, body: answer } = await api(method, at, body, ANN)
    expect([status, answer.error?.code], at).toEqual([400, 'invalid'])
    expect(answer.error?.message, at).toMatch(new RegExp(`^${field}`))
  }
})
