import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { CLIENT_EVENTS } from '../../src/protocol/client-events.ts'
import { allows, type RIGHTS, ROLES, type Role } from '../../src/protocol/roles.ts'
import {
  connect,
  expectEvent,
  expectNothing,
  expectRefusal,
  expectReply,
  join,
  TRANSPORTS,
} from '../support/connect.ts'
import { startServer } from '../support/start-server.ts'
import { tokenFor } from '../support/token.ts'

const channel = 'project:p1'
const FACTS = Object.entries(CLIENT_EVENTS).filter(([, { kind }]) => kind === 'fact')

/** What section 6 of the protocol says, written out. */
const NEEDS: Record<string, string> = {
  'task:create': 'edit',
  'task:update': 'edit',
  'task:delete': 'edit',
  'task:move': 'edit',
  'comment:create': 'comment',
  'comment:update': 'comment',
  'comment:delete': 'comment',
  'project:update': 'edit',
  'project:delete': 'admin',
  'canvas:update': 'edit',
  'markdown:update': 'edit',
  'message:send': 'comment',
  'message:edit': 'comment',
  'message:delete': 'comment',
  'widget:update': 'edit',
  'widget:delete': 'edit',
  'widget:batch': 'edit',
  'layout:update': 'edit',
  'layout:restore': 'edit',
  'member:added': 'admin',
  'member:changed': 'admin',
  'member:removed': 'admin',
}

/** A payload of each fact that is not any object, good for somebody who goes through the list above. */
function payloadOf(type: string, by: string): Record<string, unknown> {
  const [messageId, widgetId, userId] = [`message of ${by}`, `widget of ${by}`, `friend of ${by}`]
  const payloads: Record<string, Record<string, unknown>> = {
    'message:send': { id: messageId, content: 'hello' },
    'message:edit': { messageId, content: 'hello again' },
    'message:delete': { messageId },
    'widget:update': { widgetId, data: { by } },
    'widget:delete': { widgetId },
    'widget:batch': { operations: [{ type: 'widget:update', payload: { widgetId, data: {} } }] },
    'layout:update': { layout: { by } },
    'layout:restore': { version: 1 },
    'member:added': { userId, role: 'viewer' },
    'member:changed': { userId, role: 'none' },
    'member:removed': { userId },
  }
  return payloads[type] ?? { by }
}

describe.each(TRANSPORTS)('facts over %s', (transport) => {
  test('section 6: every fact is stored and delivered as an envelope under its own name', async () => {
    const server = await startServer({ access: 'claims' })
    const ann = await connect(server, 'ann', { transport, token: tokenFor('ann', { role: 'admin', name: 'Ann' }) })
    const ben = await connect(server, 'ben', { transport, token: tokenFor('ben', { channels: [channel] }) })
    await join(ann, channel)
    const { epoch } = await join(ben, channel)
    let seq = 0
    for (const [type, row] of FACTS) {
      if ('delivers' in row || type.startsWith('member:')) continue
      const sent = { channel, payload: { id: 'x', of: type, list: [1, { a: null }] }, operationId: `op ${type}` }
      const reply = await expectReply<{ timestamp: number }>(ann, type, sent)
      expect(reply).toEqual({
        ok: true,
        epoch,
        seq: ++seq,
        operationId: sent.operationId,
        timestamp: expect.any(Number),
      })
      expect(await expectEvent(ben, type)).toEqual({
        type,
        channel,
        epoch,
        seq,
        operationId: sent.operationId,
        user: { id: 'ann', name: 'Ann' },
        payload: sent.payload,
        timestamp: reply.timestamp,
      })
    }
    expect(FACTS.map(([type]) => type).sort()).toEqual(Object.keys(NEEDS).sort())
  })

  test('[FACT2] A12 each role includes the former; what it does not allow is forbidden and not stored', async () => {
    const server = await startServer({ access: 'claims', events: ['card:move'] })
    const admin = await connect(server, 'admin', { transport, token: tokenFor('admin', { role: 'admin' }) })
    await join(admin, channel)
    let stored = 0
    for (const role of ROLES) {
      const token = tokenFor(role, { channels: { [channel]: role } })
      const person = await connect(server, role, { transport, token })
      expect((await join(person, channel)).role).toBe(role)
      for (const [type, needs] of [...Object.entries(NEEDS), ['card:move', 'edit']]) {
        const body = { channel, payload: payloadOf(type as string, role) }
        if (allows(role, needs as (typeof RIGHTS)[number])) {
          await expectReply(person, type as string, body)
          stored++
        } else {
          expect(await expectRefusal(person, type as string, body)).toMatchObject({
            code: 'forbidden',
            retryable: false,
          })
        }
      }
    }
    const { head } = await expectReply<{ head: number }>(admin, 'channel:history', { channel })
    expect(head).toBe(stored)
    // viewer 0, commenter 6, editor 19, admin 23
    expect(stored).toBe(48)
  })

  test('access by claims: lists of ids and addresses, roles by address, patterns; the most exact match wins', async () => {
    const server = await startServer({ access: 'claims' })
    const cases: [claims: Record<string, unknown>, at: string, role: Role | undefined][] = [
      [{}, channel, undefined],
      [{ role: 'admin' }, channel, 'admin'],
      [{ role: 'editor' }, channel, undefined],
      [{ channels: [channel] }, channel, 'editor'],
      [{ channels: [channel] }, 'project:p11', undefined],
      [{ channels: ['project:*'] }, channel, 'editor'],
      [{ channels: ['project:*'] }, 'room:p1', undefined],
      [{ channels: { [channel]: 'viewer' } }, channel, 'viewer'],
      [{ channels: { 'project:*': 'editor', [channel]: 'viewer' } }, channel, 'viewer'],
      [{ channels: { 'project:*': 'viewer', 'project:p*': 'commenter' } }, channel, 'commenter'],
      [{ channels: { 'project:*': 'editor', [channel]: 'none' } }, channel, undefined],
      [{ channels: { __proto__: null, '*': 'viewer' } }, 'room:r1', 'viewer'],
      [{ projects: ['p1'] }, channel, 'editor'],
      [{ projects: ['p1'], channels: { 'project:*': 'viewer' } }, channel, 'editor'],
      [{ rooms: ['r1'], groups: ['g1'], dashboards: ['d1'] }, 'dashboard:d1', 'editor'],
      [{ rooms: ['r1'], groups: ['g1'] }, 'group:g1', 'editor'],
      [{ rooms: ['r1'] }, 'group:r1', undefined],
      [{ channels: 'project:p1', projects: 'p1' }, channel, undefined],
      [{ channels: 7, projects: { p1: true } }, channel, undefined],
    ]
    for (const [index, [claims, at, role]] of cases.entries()) {
      const person = await connect(server, `u${index}`, { transport, token: tokenFor(`u${index}`, claims) })
      if (role) expect((await join(person, at)).role, JSON.stringify(claims)).toBe(role)
      else
        expect(await expectRefusal(person, 'channel:join', { channel: at }), JSON.stringify(claims)).toMatchObject({
          code: 'forbidden',
        })
      person.socket.disconnect()
    }
  })

  test('what a channel holds, or whether there is one, a refusal does not tell', async () => {
    const server = await startServer({ access: 'claims' })
    await server.server.publish('project:real', { type: 'task:update', payload: {} })
    const ann = await connect(server, 'ann', { transport })
    const [real, none] = [
      await expectRefusal(ann, 'channel:join', { channel: 'project:real' }),
      await expectRefusal(ann, 'channel:join', { channel: 'project:none' }),
    ]
    expect({ ...real, message: real.message.replace('real', 'none') }).toEqual(none)
  })

  test('a declared fact may bring its own schema and right', async () => {
    const server = await startServer({
      access: 'claims',
      events: {
        'poll:vote': { payload: z.object({ choice: z.int() }), needs: 'comment' },
        'poll:close': { needs: 'admin' },
      },
    })
    const token = tokenFor('ann', { channels: { [channel]: 'commenter' } })
    const ann = await connect(server, 'ann', { transport, token })
    await join(ann, channel)
    await expectReply(ann, 'poll:vote', { channel, payload: { choice: 2 } })
    expect(await expectRefusal(ann, 'poll:vote', { channel, payload: { choice: 'two' } })).toMatchObject({
      code: 'invalid',
      details: [{ path: 'payload.choice' }],
    })
    expect(await expectRefusal(ann, 'poll:close', { channel, payload: {} })).toMatchObject({ code: 'forbidden' })
  })

  test('[FACT1] a server may publish any noun:verb, declared or not, and nothing else', async () => {
    const server = await startServer()
    const ann = await connect(server, 'ann', { transport })
    await join(ann, channel)
    for (const type of ['invoice:paid', 'a:b', 'x-1:y-2']) {
      await server.server.publish(channel, { type, payload: { n: 1 }, userId: 'billing' })
      expect(await expectEvent(ann, type)).toMatchObject({ type, user: { id: 'billing' } })
    }
    for (const type of [
      'invoice',
      'Invoice:paid',
      'invoice:paid:twice',
      '1:b',
      'error',
      '',
      'a: b',
      `a:${'b'.repeat(200)}`,
    ]) {
      await expect(server.server.publish(channel, { type, payload: {} }), type).rejects.toMatchObject({
        code: 'invalid',
      })
    }
    await expect(server.server.publish('nowhere', { type: 'a:b', payload: {} })).rejects.toMatchObject({
      code: 'invalid',
    })
    await expectNothing(ann, 'error')
  })
})
