import { expect, test } from 'vitest'
import { apiOf, KEY } from '../support/api.ts'
import { startServer } from '../support/start-server.ts'

const events = '/api/v1/channels/project:p1/events'
const messages = '/api/v1/channels/project:p1/messages'

// SQLite keeps half of a character as bytes that libsql ends the process over when the row is read: at every start again.
test('[REQ1] an id with half of a character, or control characters, is refused wherever an app’s server gives one', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  for (const userId of ['ann\ud800', 'ann\u0000', 'ann\n']) {
    const send = { type: 'message:send', payload: { content: 'Hello' }, userId }
    expect(await api('POST', messages, { content: 'Hello', userId })).toMatchObject({ status: 400 })
    expect(await api('POST', events, send)).toMatchObject({ status: 400 })
    expect(await api('POST', '/broadcast', { ...send, projectId: 'p1' })).toMatchObject({ status: 400 })
  }
  expect(await api('POST', '/api/v1/tokens/revoke', { jti: 'token\ud800' })).toMatchObject({ status: 400 })
})

test('[API3] a channel that is no text is refused by its name, whatever it is', async () => {
  const server = await startServer({ apiKeys: [KEY] })
  const api = await apiOf(server)
  for (const channel of [{ toString: 1, valueOf: 1 }, {}, ['project:p1'], 7]) {
    const { status, body } = await api('POST', '/broadcast', { type: 'task:update', channel, payload: {} })
    expect({ status, code: body.error?.code }).toEqual({ status: 400, code: 'invalid' })
  }
})
