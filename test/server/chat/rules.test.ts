import { describe, expect, test } from 'vitest'
import { message, messageDeleted, messageEdited } from '../../../src/protocol/chat.ts'
import type { Publication } from '../../../src/server/channels/publication.ts'
import { chatRules, EDITS_KEPT } from '../../../src/server/chat/rules.ts'
import type { Decided, KeptRecord, Place, RecordKey, Rule } from '../../../src/server/store/record.ts'

const channel = 'project:p1'
const ann = { id: 'ann', name: 'Ann' }
const ben = { id: 'ben' }

/** The records of a channel while its facts come one after the other. */
class Log {
  readonly records = new Map<string, KeptRecord>()
  seq = 0

  rule(type: string, payload: Record<string, unknown>, more: Partial<Publication> = {}): Rule {
    const rule = chatRules[type]
    if (!rule) throw new Error(`no rule for ${type}`)
    return rule({ channel, type, payload, user: ann, role: 'commenter', ...more })
  }

  /** Decides, as the store would, with nothing to read but what was named. */
  decide(rule: Rule): Decided {
    const named = rule.reads.map(nameOf)
    const place: Place = { epoch: 'e', seq: this.seq + 1, timestamp: 1000 * (this.seq + 1) }
    return rule.decide((key) => {
      if (!named.includes(nameOf(key))) throw new Error(`reads ${nameOf(key)}, which it did not name`)
      return this.records.get(nameOf(key))
    }, place)
  }

  happen(type: string, payload: Record<string, unknown>, more: Partial<Publication> = {}): Decided {
    const decided = this.decide(this.rule(type, payload, more))
    this.seq++
    for (const write of decided.writes) {
      if (write.data) this.records.set(nameOf(write), JSON.parse(JSON.stringify(write)) as KeptRecord)
    }
    return decided
  }

  refuses(type: string, payload: Record<string, unknown>, more: Partial<Publication> = {}): unknown {
    const before = JSON.stringify([...this.records])
    try {
      this.happen(type, payload, more)
    } catch (error) {
      expect(JSON.stringify([...this.records])).toBe(before)
      return error
    }
    throw new Error(`${type} was granted`)
  }
}

function nameOf({ scope, kind, id }: RecordKey): string {
  return `${scope} ${kind} ${id}`
}

describe('message:send', () => {
  test('everybody is told the whole message, and its record is its author’s', () => {
    const { payload, writes, result } = new Log().happen('message:send', { content: 'Hi', id: 'm1' })
    expect(payload).toStrictEqual({ id: 'm1', channel, seq: 1, user: ann, content: 'Hi', createdAt: 1000 })
    expect(message.parse(payload)).toEqual(payload)
    expect(result).toEqual({ messageId: 'm1' })
    expect(writes).toMatchObject([
      { scope: channel, kind: 'message', id: 'm1', seq: 1, owner: 'ann', deleted: false, data: { content: 'Hi' } },
    ])
  })

  test('without an id it is given one, the same however often it is decided', () => {
    const log = new Log()
    const rule = log.rule('message:send', { content: 'Hi' })
    const first = log.decide(rule)
    expect(first.payload.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
    expect(first.result).toEqual({ messageId: first.payload.id })
    expect(log.decide(rule)).toEqual(first)
    expect(log.decide(log.rule('message:send', { content: 'Hi' })).payload.id).not.toBe(first.payload.id)
  })

  test('an id that is there already is invalid, even of a message that was deleted', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm1' })
    const taken = {
      code: 'invalid',
      message: expect.stringContaining('payload.id'),
      details: [{ path: 'payload.id', message: expect.any(String) }],
    }
    expect(log.refuses('message:send', { content: 'Again', id: 'm1' })).toMatchObject(taken)
    log.happen('message:delete', { messageId: 'm1' })
    expect(log.refuses('message:send', { content: 'Again', id: 'm1' }, { user: ben })).toMatchObject(taken)
    // Of another channel it is another message.
    log.happen('message:send', { content: 'There', id: 'm1' }, { channel: 'project:p2' })
  })

  test('it answers a message of its channel, one that was deleted as well, and no other', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm1' })
    log.happen('message:send', { content: 'There', id: 'else' }, { channel: 'project:p2' })
    expect(log.happen('message:send', { content: 'Yes', replyTo: 'm1' }).payload).toMatchObject({ replyTo: 'm1' })
    log.happen('message:delete', { messageId: 'm1' })
    expect(log.happen('message:send', { content: 'Oh', replyTo: 'm1' }).payload).toMatchObject({ replyTo: 'm1' })
    for (const replyTo of ['else', 'nothing', 'own']) {
      expect(log.refuses('message:send', { content: 'What', id: 'own', replyTo }), replyTo).toMatchObject({
        code: 'not_found',
        details: [{ path: 'payload.replyTo', message: expect.any(String) }],
      })
    }
  })

  test('of a server it is nobody’s', () => {
    const { payload, writes } = new Log().happen('message:send', { content: 'Hi' }, { user: null, role: 'admin' })
    expect(message.parse(payload).user).toBeNull()
    expect(writes).toMatchObject([{ owner: null }])
  })
})

describe('message:edit', () => {
  test('its author’s words are replaced; where it was sent, by whom and when stay', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm0' })
    log.happen('message:send', { content: 'Helo', id: 'm1', replyTo: 'm0' })
    const edited = log.happen(
      'message:edit',
      { messageId: 'm1', content: 'Hello' },
      { user: { id: 'ann', name: 'Anna' } },
    )
    expect(edited.payload).toStrictEqual({ messageId: 'm1', content: 'Hello', editedAt: 3000 })
    expect(messageEdited.parse(edited.payload)).toEqual(edited.payload)
    expect(edited.result).toEqual({ messageId: 'm1' })
    expect(edited.writes).toEqual([
      {
        scope: channel,
        kind: 'message',
        id: 'm1',
        seq: 2,
        owner: 'ann',
        deleted: false,
        data: { user: ann, content: 'Hello', replyTo: 'm0', createdAt: 2000, editedAt: 3000, edits: [3] },
      },
    ])
    // To the same words it is an edit all the same.
    expect(log.happen('message:edit', { messageId: 'm1', content: 'Hello' }).payload).toMatchObject({ editedAt: 4000 })
  })

  test(`its record grows no further than ${EDITS_KEPT} edits: what the oldest said is taken out of the log`, () => {
    const log = new Log()
    const edit = (i: number) => log.happen('message:edit', { messageId: 'm1', content: `words ${i}` })
    log.happen('message:send', { content: 'Hi', id: 'm1' })
    for (let i = 0; i < EDITS_KEPT; i++) expect(edit(i)).not.toHaveProperty('withdraws')
    const size = JSON.stringify([...log.records]).length
    for (let i = 0; i < 5; i++) expect(edit(i).withdraws).toEqual({ field: 'content', seqs: [2 + i] })
    expect(JSON.stringify([...log.records]).length).toBeLessThan(size + 10)
    // With the words it was sent with, and those of the edits that are left, nothing remains.
    const seqs = [1, ...Array.from({ length: EDITS_KEPT }, (_, i) => 7 + i)]
    expect(log.happen('message:delete', { messageId: 'm1' }).withdraws).toEqual({ field: 'content', seqs })
  })

  test('what is not there, or was deleted, is not_found', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm1' })
    log.happen('message:send', { content: 'There', id: 'else' }, { channel: 'project:p2' })
    log.happen('message:delete', { messageId: 'm1' })
    for (const messageId of ['m1', 'else', 'nothing']) {
      expect(log.refuses('message:edit', { messageId, content: 'x' }), messageId).toMatchObject({
        code: 'not_found',
        details: [{ path: 'payload.messageId', message: expect.any(String) }],
      })
    }
  })

  test('nobody else may, an admin and a server neither; a server may edit its own', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm1' })
    log.happen('message:send', { content: 'News', id: 'm2' }, { user: null, role: 'admin' })
    const other = { user: ben, role: 'admin' } as const
    const server = { user: null, role: 'admin' } as const
    for (const messageId of ['m1', 'm2']) {
      expect(log.refuses('message:edit', { messageId, content: 'x' }, other)).toMatchObject({ code: 'forbidden' })
    }
    expect(log.refuses('message:edit', { messageId: 'm1', content: 'x' }, server)).toMatchObject({ code: 'forbidden' })
    const edited = log.happen('message:edit', { messageId: 'm2', content: 'y' }, server)
    expect(edited.writes).toMatchObject([{ owner: null, data: { content: 'y' } }])
  })
})

describe('message:delete', () => {
  test('nothing is left of its words; that there was a message, whose and to what, stays', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm0' })
    log.happen('message:send', { content: 'Secret', id: 'm1', replyTo: 'm0' })
    log.happen('message:edit', { messageId: 'm1', content: 'More secret' })
    const deleted = log.happen('message:delete', { messageId: 'm1' })
    expect(deleted.withdraws).toEqual({ field: 'content', seqs: [2, 3] })
    expect(deleted.payload).toStrictEqual({ messageId: 'm1', deletedAt: 4000 })
    expect(messageDeleted.parse(deleted.payload)).toEqual(deleted.payload)
    expect(deleted.result).toEqual({ messageId: 'm1' })
    expect(deleted.writes).toEqual([
      {
        scope: channel,
        kind: 'message',
        id: 'm1',
        seq: 2,
        owner: 'ann',
        deleted: true,
        data: { user: ann, content: '', replyTo: 'm0', createdAt: 2000, editedAt: 3000, deletedAt: 4000 },
      },
    ])
  })

  test('what is not there, or was deleted already, is not_found, for whomever', () => {
    const log = new Log()
    log.happen('message:send', { content: 'Hi', id: 'm1' })
    log.happen('message:delete', { messageId: 'm1' })
    for (const user of [ann, ben, null]) {
      for (const messageId of ['m1', 'nothing']) {
        expect(log.refuses('message:delete', { messageId }, { user, role: 'admin' })).toMatchObject({
          code: 'not_found',
          details: [{ path: 'payload.messageId', message: expect.any(String) }],
        })
      }
    }
  })

  test('its author may, an admin may, a server may; nobody else', () => {
    const log = new Log()
    for (const id of ['m1', 'm2', 'm3']) log.happen('message:send', { content: 'Hi', id })
    for (const role of ['commenter', 'editor'] as const) {
      expect(log.refuses('message:delete', { messageId: 'm1' }, { user: ben, role })).toMatchObject({
        code: 'forbidden',
      })
    }
    log.happen('message:delete', { messageId: 'm1' })
    expect(log.happen('message:delete', { messageId: 'm2' }, { user: ben, role: 'admin' }).writes).toMatchObject([
      { owner: 'ann', deleted: true },
    ])
    log.happen('message:delete', { messageId: 'm3' }, { user: null, role: 'admin' })
  })
})
