import { describe, expect, test } from 'vitest'
import { ask, type Client, connect, expectReply, factsOf, join, TRANSPORTS } from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'
import { channel, INTERNALS, Room } from './room.ts'

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { value }
  return value
}

/** Payloads that are refused, and with what. */
const REFUSED: [what: string, payload: unknown, code: string][] = [
  ['oversize', { text: 'x'.repeat(66_000) }, 'too_large'],
  ['oversize in bytes, not in characters', { text: '漢'.repeat(22_000) }, 'too_large'],
  [
    'many long keys',
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}`.padEnd(80, 'k'), i])),
    'too_large',
  ],
  ['deep objects', nested(32), 'invalid'],
  ['deep arrays', { a: [[[[[[[[[[nested(24)]]]]]]]]]] }, 'invalid'],
  ['deeper than the stack', nested(3000), 'invalid'],
]

/** Payloads that are facts, however odd, and arrive as JSON has them. */
const ACCEPTED: [what: string, payload: Record<string, unknown>][] = [
  ['wide', Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`k${i}`, i]))],
  ['a long list', { list: Array.from({ length: 20_000 }, () => 0) }],
  ['one long string', { text: 'y'.repeat(65_000) }],
  ['NUL', { 'a\u0000b': 'c\u0000d' }],
  ['lone surrogates', { '\ud800': '\udfff\ud800' }],
  ['line separators and controls', { text: '\u2028\u2029\u0001\u007f\u009f\u202e' }],
  ['huge numbers', { a: 1e308, b: -1e-323, c: Number.MAX_SAFE_INTEGER, d: -0 }],
  ['odd keys', { '': 1, ' ': 2, toString: 3, hasOwnProperty: 4, length: 5, toJSON: 6 }],
  ['SQL, globs and log lines', { text: `'; drop table events; -- %s %d * # \r\n{"level":"error"}` }],
]

describe.each(TRANSPORTS)('A16 A23 bodies over %s', (transport) => {
  test('[REQ1] oversize, deep, wide, long, NUL, lone surrogates, huge numbers: refused or kept whole', async () => {
    const room = await Room.open()
    const mallory = await connect(room.server, 'mallory', { transport })
    await join(mallory, channel)
    for (const [what, payload, code] of REFUSED) {
      for (const body of [
        { channel, payload },
        { channel: payload, payload: {} },
      ]) {
        const reply = (await ask(mallory, 'task:update', body)) as unknown as { error: { code: string } }
        expect(reply.error?.code, what).toBe(code === 'invalid' && body.channel !== channel ? 'invalid' : code)
        expect(JSON.stringify(reply), what).not.toMatch(INTERNALS)
      }
      await room.publish()
    }
    for (const [what, payload] of ACCEPTED) {
      const reply = await ask(mallory, 'task:update', { channel, payload, operationId: what })
      expect(reply, what).toMatchObject({ ok: true })
    }
    // As numbers JSON can write and JavaScript cannot hold.
    mallory.socket.io.engine.write(
      `42["task:update",{"channel":"${channel}","operationId":"1e400","payload":{"n":1e400}}]`.slice(1),
    )
    await expectReply(mallory, 'ping', {})
    await join(mallory, channel)
    mallory.socket.disconnect()
    await room.noticesNothing(ACCEPTED.length + 1)
    for (const person of room.people) {
      for (const [what, payload] of ACCEPTED) {
        const fact = factsOf(person, channel).find(({ operationId }) => operationId === what)
        expect(fact?.payload, what).toEqual(JSON.parse(JSON.stringify(payload)))
      }
      expect(factsOf(person, channel).find(({ operationId }) => operationId === '1e400')?.payload).toEqual({ n: null })
    }
  })

  test('A15 whoever a body claims to be from, everybody is told who it is from', async () => {
    const room = await Room.open()
    const token = tokenFor('mallory', { name: 'Mallory' })
    const mallory = await connect(room.server, '-', { transport, token })
    const spoof = {
      user: { id: 'nia', name: 'Nia' },
      userId: 'nia',
      author: 'nia',
      actor: 'nia',
      sub: 'nia',
      origin: 'x',
    }
    await join(mallory, channel, { ...spoof, state: spoof })
    await expectReply(mallory, 'presence:update', { channel, state: spoof, ...spoof })
    for (const event of ['task:update', 'comment:create', 'project:update', 'canvas:update']) {
      await expectReply(mallory, event, { channel, payload: spoof, ...spoof, seq: 999, epoch: 'x', timestamp: 1 })
    }
    for (const person of room.people) {
      const { members } = await expectReply<{ members: { user: object }[] }>(person, 'presence:list', { channel })
      expect(members.map(({ user }) => user)).toContainEqual({ id: 'mallory', name: 'Mallory' })
      expect(members).toHaveLength(3)
    }
    mallory.socket.disconnect()
    await room.noticesNothing(4)
    for (const person of room.people) {
      const theirs = factsOf(person, channel).filter(({ type }) => type !== 'honest:fact')
      expect(theirs.map(({ user }) => user)).toEqual(Array(4).fill({ id: 'mallory', name: 'Mallory' }))
      const told = person.received.filter(({ event }) => /^presence:(join|update)$/.test(event))
      const who = told.map(({ body }) => body as { userId?: string; member?: { user: { id: string } } })
      expect(new Set(who.map(({ userId, member }) => userId ?? member?.user.id))).toEqual(
        new Set(['mallory', ...(person === room.people[0] ? ['ned'] : [])]),
      )
    }
  })
})

const POLLUTION = ['__proto__', 'constructor', 'prototype'].flatMap((key) => [
  `{"${key}":{"isAdmin":true,"role":"admin","x":1}}`,
  `{"${key}":{"prototype":{"isAdmin":true,"x":1}}}`,
  `{"a":{"${key}":{"isAdmin":true}},"${key}":[]}`,
])

test('A24 a prototype in any field of any request, over sockets and HTTP, changes no object but its own', async () => {
  const server = await startServer({ access: 'claims', rateFactsPerSecond: 100_000 })
  const mallory = await connect(server, '-', { token: tokenFor('mallory', { channels: { [channel]: 'viewer' } }) })
  await join(mallory, channel)
  const people: Client[] = [mallory]
  for (const text of POLLUTION) {
    const odd = JSON.parse(text) as Record<string, unknown>
    for (const event of ['channel:join', 'presence:update', 'task:update', 'channel:history', 'auth:refresh', 'ping']) {
      for (const body of [
        odd,
        { channel, ...odd },
        { channel, payload: odd, state: odd, since: odd },
        { channel: odd },
      ]) {
        await ask(mallory, event, body)
      }
    }
    for (const path of [
      '/broadcast',
      `/api/v1/channels/${channel}/events`,
      '/demo/token',
      '/api/v1/channels/__proto__/events',
    ]) {
      for (const body of [text, `{"type":"a:b","projectId":"p1","payload":${text}}`, `{"events":[${text}]}`]) {
        await fetch(server.url + path, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      }
    }
    await fetch(
      `${server.url}/api/v1/channels/${channel}/events?__proto__[x]=1&constructor[prototype][x]=1&__proto__=1`,
    )
  }
  const plain = {} as Record<string, unknown>
  expect([plain.isAdmin, plain.x, plain.role, ([] as unknown as Record<string, unknown>).x]).toEqual(
    Array(4).fill(undefined),
  )
  // Still what the token says.
  for (const person of people) {
    expect(await ask(person, 'task:update', { channel, payload: {} })).toMatchObject({ error: { code: 'forbidden' } })
    expect((await join(person, channel)).role).toBe('viewer')
  }
})
