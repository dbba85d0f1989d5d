import { expect, test } from 'vitest'
import { apiOf, KEY } from '../../support/api.ts'
import { connect, expectEvent, join } from '../../support/connect.ts'
import { startServer } from '../../support/start-server.ts'

const channel = 'dashboard:d1'
const path = `/api/v1/channels/${channel}/documents`

test('[DOC1] a widget’s fields are set and removed, the layout is replaced, and all is listed', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  const ann = await connect(server, 'ann')
  await join(ann, channel)
  const first = await api('PUT', `${path}/widget:w1`, { data: { title: 'Sales', size: 2 }, userId: 'ben' })
  expect(first.body).toMatchObject({ success: true, seq: 1, version: 1 })
  expect(await expectEvent(ann, 'widget:update')).toMatchObject({
    user: { id: 'ben' },
    payload: { widgetId: 'w1', data: { title: 'Sales', size: 2 }, version: 1 },
  })
  expect((await api('PUT', `${path}/widget:w1`, { data: { size: null } })).body.version).toBe(2)
  expect((await api('GET', `${path}/widget:w1`)).body.document).toMatchObject({
    id: 'widget:w1',
    data: { title: 'Sales' },
    version: 2,
    updatedBy: null,
  })
  await api('PUT', `${path}/layout`, { data: { columns: 2 } })
  await api('PUT', `${path}/layout`, { data: { rows: 3 } })
  expect((await api('GET', `${path}/layout`)).body.document).toMatchObject({ data: { rows: 3 }, version: 2 })
  const { body } = await api('GET', path)
  expect(body).toMatchObject({ head: 4 })
  expect((body.documents as { id: string }[]).map(({ id }) => id).sort()).toEqual(['layout', 'widget:w1'])
})

test('[DOC4] a write against an older version is told what stands against it; [API2] a repeated one is one', async () => {
  const api = await apiOf(await startServer({ apiKeys: [KEY] }))
  const write = (data: object, more = {}) => api('PUT', `${path}/widget:w1`, { data, ...more })
  await write({ a: 1, b: 1 })
  await write({ a: 2 })
  expect((await write({ b: 2 }, { baseVersion: 1 })).body).toMatchObject({ version: 3, merged: true })
  expect(await write({ a: 3 }, { baseVersion: 1 })).toMatchObject({
    status: 409,
    body: { error: { code: 'conflict', conflict: { version: 3, fields: [{ field: 'a', mine: 3, theirs: 2 }] } } },
  })
  const once = await write({ c: 1 }, { operationId: 'op' })
  expect((await write({ c: 1 }, { operationId: 'op' })).body).toEqual({ ...once.body, duplicate: true })
  expect((await write({ c: 2 }, { operationId: 'op' })).body.error?.code).toBe('operation_mismatch')
})

test('what is not there is 404, what cannot be written 400, by its field', async () => {
  const api = await apiOf(await startServer({ apiKeys: [KEY] }))
  for (const id of ['layout', 'widget:w1']) expect((await api('GET', `${path}/${id}`)).status).toBe(404)
  const deep = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`
  const wrong: [id: string, body: unknown, field: string][] = [
    ['widget', { data: {} }, 'path: id: '],
    ['widget:', { data: {} }, 'path: id: '],
    [`widget:${'x'.repeat(129)}`, { data: {} }, 'path: id: '],
    ['layout', {}, 'body: data: '],
    ['layout', { data: [] }, 'body: data: '],
    ['layout', { data: {}, baseVersion: -1 }, 'body: baseVersion: '],
    ['layout', `{"data":${deep}}`, 'body: expected at most 32 levels'],
  ]
  for (const [id, body, field] of wrong) {
    const { status, body: answer } = await api('PUT', `${path}/${id}`, body)
    expect([status, answer.error?.code], id).toEqual([400, 'invalid'])
    expect(answer.error?.message, id).toMatch(new RegExp(`^${field}`))
  }
  expect((await api('GET', path)).body.documents).toEqual([])
})
