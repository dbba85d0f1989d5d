import { expect, test } from 'vitest'
import { CLIENT_EVENTS } from '../../src/protocol/client-events.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { connectPacket, INTERNALS, Room } from './room.ts'

// Not the room of the honest, whose facts are counted.
const channel = 'project:elsewhere'

/** What is right, to be spoilt one field at a time. */
const RIGHT: Partial<Record<string, Record<string, unknown>>> = {
  'channel:join': { since: { epoch: 'x', seq: 1 }, last: 1, echo: true, state: { a: 1 } },
  'channel:history': { after: 0, before: 9, limit: 1 },
  'presence:update': { state: { a: 1 } },
  'conflict:resolve': {
    operationId: 'c',
    documentId: 'widget:w',
    resolution: 'mine',
    data: {},
    baseVersion: 0,
  },
  'message:list': { before: 5, limit: 2 },
  'message:read': { seq: 1 },
  sync: { operations: [{ operationId: 'a', channel, type: 'task:update', payload: {}, baseVersion: 0 }] },
  'auth:refresh': { token: 'x' },
  'message:send': { payload: { content: 'x', id: 'i', replyTo: 'i' }, operationId: 'a' },
  'message:edit': { payload: { messageId: 'i', content: 'x' } },
  'message:delete': { payload: { messageId: 'none' } },
  'widget:update': { payload: { widgetId: 'w', data: { a: 1 } }, baseVersion: 0 },
  'widget:delete': { payload: { widgetId: 'none' } },
  'widget:batch': {
    payload: { operations: [{ type: 'widget:update', payload: { widgetId: 'w', data: {} }, baseVersion: 0 }] },
  },
  'layout:update': { payload: { layout: {} } },
  'layout:restore': { payload: { version: 1 } },
  'member:added': { payload: { userId: 'u', role: 'viewer' } },
  typing: { isTyping: true, context: 'x' },
  cursor: { position: 1, context: 'x' },
  signal: { name: 'x', payload: 1 },
}
const GARBAGE = [
  ...['null', 'true', '-0', '1e400', '-1e400', '1.5', '9007199254740993', '[]', '[[]]', '{}', '{"then":1}'],
  ...['""', '"\\u0000"', '"\\ud800"', '"x\\r\\nforged"', '"2e1"', `"${'中'.repeat(200)}"`],
  ...['"__proto__"', '"constructor"', '"toString"', '"hasOwnProperty"', '"widget:__proto__"', '"project:__proto__"'],
  ...['{"__proto__":{"isAdmin":true}}', '{"constructor":{"prototype":{"isAdmin":true}}}', '[null,{"__proto__":1}]'],
  ...['{"length":1e9}', '{"toJSON":1}', '{"toString":null,"valueOf":1}', '"user:nia"'],
]
const MARK = '@@spoilt@@'

/** Every place in a body, as the path to it. */
function* places(body: object, path: readonly string[] = []): Generator<readonly string[]> {
  yield path
  for (const [key, value] of Object.entries(body)) {
    if (typeof value === 'object' && value !== null) yield* places(value as object, [...path, key])
    else yield [...path, key]
  }
}

function spoilt(body: object, path: readonly string[], garbage: string): string {
  const whole = { body: structuredClone(body) }
  let at = whole as Record<string, unknown>
  for (const key of ['body', ...path].slice(0, -1)) at = at[key] as Record<string, unknown>
  at[path.at(-1) ?? 'body'] = MARK
  return JSON.stringify(whole.body).replace(`"${MARK}"`, garbage)
}

test('A16 A23 A24 garbage in every field of every event: an answer each, nothing of the inside, nobody notices', async () => {
  const room = await Room.open({ RATE_FACTS_PER_SECOND: '100000', RATE_SIGNALS_PER_SECOND: '100000' })
  const mallory = await RawClient.open(room.server)
  mallory.send(connectPacket('mallory'))
  await mallory.expect(/"connected"/)
  mallory.send(`420["channel:join",{"channel":"${channel}"}]`)
  await mallory.expect(/^430\[\{"ok":true/)
  const answers = () => mallory.received.filter((packet) => packet.startsWith('431['))

  let sent = 0
  for (const name of Object.keys(CLIENT_EVENTS)) {
    const body = { channel, ...(RIGHT[name] ?? { payload: { a: 1 } }) }
    for (const place of places(body)) {
      for (const garbage of GARBAGE) {
        mallory.send(`421["${name}",${spoilt(body, place, garbage)}]`)
        sent++
      }
    }
    // What spoils nothing may well have left the channel.
    mallory.send(`42["channel:join",{"channel":"${channel}"}]`)
    await until(`all is answered up to ${name}`, () => answers().length === sent)
  }

  expect(sent).toBeGreaterThan(2500)
  expect(answers().filter((answer) => INTERNALS.test(answer) || answer.includes('"code":"internal"'))).toEqual([])
  mallory.terminate()
  await room.noticesNothing()
})
