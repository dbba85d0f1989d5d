// `convene publish`: one fact through the service API.
import { expect, test } from 'vitest'
import { run } from '../support/command.ts'
import { clientFor, listenTo } from '../support/sdk.ts'
import { startServer } from '../support/start-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { until } from '../support/until.ts'

const CHANNEL = 'project:p1'
const KEY = 'a-key-of-the-service-api'

test('prints the place as one line of JSON, and every member has the fact', async () => {
  const { url } = await startServer({ apiKeys: [KEY] })
  const client = clientFor(url, 'ben')
  const heard = listenTo(client, CHANNEL)
  await client.channel(CHANNEL).join()
  const place = { folder: temporaryFolder(), env: { API_KEYS: `${KEY},another-key` } }
  const args = ['publish', CHANNEL, 'card:move', '{"id":"t1"}', '--url', url, '--operation-id', 'op-1', '--user', 'ann']
  const first = await run(args, place)
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout.trim().split('\n')).toHaveLength(1)
  expect(JSON.parse(first.stdout)).toMatchObject({ ok: true, seq: 1, operationId: 'op-1' })
  const again = await run(args, place)
  expect(JSON.parse(again.stdout)).toEqual({ ...JSON.parse(first.stdout), duplicate: true })
  await run(['publish', CHANNEL, 'task:update', '{}', '--url', url, '--key', KEY], { folder: place.folder })
  await until('ben has both', () => heard.facts.length === 2)
  expect(heard.facts[0]).toMatchObject({ type: 'card:move', payload: { id: 't1' }, user: { id: 'ann' } })
  expect(heard.facts[1]).toMatchObject({ type: 'task:update', user: null })
})

test('reads nothing but API_KEYS, however wrong the rest', async () => {
  const { url } = await startServer({ apiKeys: [KEY] })
  const env = { API_KEYS: KEY, ACCESS_WEBHOOK_SECRET: 'x', PORT: 'none', NODE_ENV: 'production' }
  const args = ['publish', CHANNEL, 'task:update', '{}', '--url', url]
  expect(await run(args, { folder: temporaryFolder(), env })).toMatchObject({ code: 0, stderr: '' })
})

test('a refusal, or no answer, is told: exit code 1', async () => {
  const { url, server } = await startServer({ apiKeys: [KEY] })
  const folder = temporaryFolder()
  const args = ['publish', CHANNEL, 'task:update', '{}', '--url', url]
  const unauthenticated = { code: 1, stdout: '', stderr: expect.stringContaining('This needs a key') }
  expect(await run(args, { folder })).toMatchObject(unauthenticated)
  expect(await run([...args, '--key', 'a wrong one'], { folder })).toEqual({
    code: 1,
    stdout: '',
    stderr: 'This key is not one of API_KEYS\n',
  })
  const taken = [...args, '--key', KEY, '--operation-id', 'op-1']
  await run([...taken, '--user', 'ann'], { folder })
  expect(await run(taken, { folder })).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/operation/i),
  })
  await server.close()
  expect(await run(args, { folder })).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(url) })
})

test.each([
  [['p1', 'task:update', '{}'], "'channel'"],
  [[CHANNEL, 'Update', '{}'], "'type'"],
  [[CHANNEL, 'task:update', '{'], "'json'"],
  [[CHANNEL, 'task:update', '[]'], "'json'"],
  [[CHANNEL, 'task:update', 'null'], "'json'"],
  [[CHANNEL, 'task:update'], "'json'"],
  [[CHANNEL, 'task:update', '{}', '--url', 'localhost:3001'], '--url'],
  [[CHANNEL, 'task:update', '{}', '--url', 'http://localhost:3001/?key=secret'], '--url'],
])('asked wrongly, %j: exit code 2, naming %s', async (args, name) => {
  const { code, stdout, stderr } = await run(['publish', ...args], { folder: temporaryFolder() })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(name)
})
