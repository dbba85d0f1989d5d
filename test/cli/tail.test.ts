// `convene tail`: a channel's facts, line by line, over the end of its server.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { run, startCommand } from '../support/command.ts'
import { startProcess } from '../support/process-server.ts'
import { SECRET, startServer } from '../support/start-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { tokenFor } from '../support/token.ts'

const CHANNEL = 'project:p1'

function post(url: string, fact: { type?: string; payload: object; userId?: string }): Promise<Response> {
  return fetch(`${url}/api/v1/channels/${CHANNEL}/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'task:update', ...fact }),
  })
}

test('a fact a line, in order; Ctrl-C ends it with exit code 0', async () => {
  const folder = temporaryFolder()
  const server = await startProcess({}, { folder })
  for (const n of [1, 2, 3]) await post(server.url, { payload: { n }, userId: 'ann' })
  const place = { folder, env: { JWT_SECRET: SECRET } }
  const tail = startCommand(['tail', CHANNEL, '--url', server.url, '--last', '2'], place)
  await tail.sees(/Following project:p1 from #3/)
  await post(server.url, { type: 'card:move', payload: { text: '\u001b[31m\n' }, userId: 'b\u202e' })
  await post(server.url, { payload: {} })
  await tail.sees(/#5 /)
  expect(tail.stdout().replace(/\d\d:\d\d:\d\d/g, 'time')).toBe(
    [
      '#2 time ann task:update {"n":2}',
      '#3 time ann task:update {"n":3}',
      '#4 time b\ufffd card:move {"text":"\\u001b[31m\\n"}',
      '#5 time - task:update {}\n',
    ].join('\n'),
  )
  tail.kill('SIGINT')
  expect(await tail.exited).toBe(0)
})

test('--json: whole envelopes, from a position on, over a killed server', async () => {
  const folder = temporaryFolder()
  const server = await startProcess({}, { folder })
  const { results } = (await (await post(server.url, { payload: { n: 1 } })).json()) as { results: { epoch: string }[] }
  await post(server.url, { payload: { n: 2 } })
  const since = `${results[0]?.epoch}:1`
  const place = { folder, env: { JWT_SECRET: SECRET } }
  const tail = startCommand(['tail', CHANNEL, '--url', server.url, '--since', since, '--json'], place)
  await tail.sees(/"seq":2/)
  server.kill('SIGKILL')
  await tail.sees(/trying again/)
  await server.exited
  const again = await startProcess({ PORT: String(server.port) }, { folder })
  await post(again.url, { payload: { n: 3 } })
  await tail.sees(/"seq":3/)
  const lines = tail.stdout().trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ type: 'task:update', channel: CHANNEL, seq: 2, payload: { n: 2 }, user: null }),
    expect.objectContaining({ seq: 3, payload: { n: 3 } }),
  ])
})

test('a discontinuity is a line of its own', async () => {
  const folder = temporaryFolder()
  const server = await startProcess({}, { folder })
  const place = { folder, env: { JWT_SECRET: SECRET } }
  const tail = startCommand(['tail', CHANNEL, '--url', server.url], place)
  const json = startCommand(['tail', CHANNEL, '--url', server.url, '--json', '--since', 'another:1'], place)
  await tail.sees(/Following/)
  await json.sees(/\{"discontinuity":"epoch_changed"\}\n/)
  server.kill('SIGKILL')
  await server.exited
  for (const end of ['', '-wal', '-shm', '-guard', '-guard-journal']) {
    rmSync(join(folder, `convene.db${end}`), { force: true })
  }
  await startProcess({ PORT: String(server.port) }, { folder })
  await tail.sees(/--- facts are missing here: the log is another one than before\n/)
})

test('a token of somebody is taken as it is; what is refused for good ends it with exit code 1', async () => {
  const { url } = await startServer({ access: 'claims' })
  const folder = temporaryFolder()
  const mine = tokenFor('ann', { channels: { [CHANNEL]: 'viewer' } })
  const tail = startCommand(['tail', CHANNEL, '--url', url, '--token', mine], { folder })
  await tail.sees(/Following project:p1 from #0/)
  const elsewhere = await run(['tail', 'project:p2', '--url', url, '--token', mine], { folder })
  expect(elsewhere).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^Connected to .*\n.*project:p2.*\n$/),
  })
  const unknown = await run(['tail', CHANNEL, '--url', url, '--token', 'nonsense'], { folder })
  expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: `${url} refused: Authentication failed\n` })
})

test.each([
  [['p1'], "'channel'"],
  [['bogus:x'], 'with kind one of project, room, group, dashboard, user and an id of'],
  [[CHANNEL, '--since', '12'], '--since'],
  [[CHANNEL, '--last', '301'], '--last'],
  [[CHANNEL, '--last', '1', '--since', 'e:1'], '--since'],
  [[CHANNEL, '--url', 'ws://localhost'], '--url'],
])('asked wrongly, %j: exit code 2, naming %s', async (args, name) => {
  const { code, stdout, stderr } = await run(['tail', ...args], { folder: temporaryFolder() })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(name)
})
