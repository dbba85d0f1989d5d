import { randomUUID } from 'node:crypto'
import type { Message, MessageDelete, MessageEdit, MessageSend } from '../../protocol/chat.ts'
import { ConveneError, type ErrorCode } from '../../protocol/errors.ts'
import type { FactRule, Publication } from '../channels/publication.ts'
import type { ReadRecord, RecordKey } from '../store/record.ts'
import { editsOf, messageKey, messageOf, recordOf } from './message-record.ts'

/** Edits of a message whose words stay in the log, the newest; a message keeps the places of these. */
export const EDITS_KEPT = 100

/** What becomes of the facts of a chat, section 8. */
export const chatRules: Readonly<Record<string, FactRule>> = {
  'message:send': send,
  'message:edit': edit,
  'message:delete': remove,
}

function send({ channel, payload, user }: Publication): ReturnType<FactRule> {
  // Made before the transaction, which may be tried again.
  const { content, id = randomUUID(), replyTo } = payload as MessageSend
  const own = messageKey(channel, id)
  const answered = replyTo === undefined ? undefined : messageKey(channel, replyTo)
  return {
    reads: answered ? [own, answered] : [own],
    decide(read, { seq, timestamp }) {
      if (read(own)) {
        throw refusal('invalid', 'message:send', 'id', `expected an id of its own, got one that ${channel} has already`)
      }
      if (answered && !read(answered)) {
        throw refusal('not_found', 'message:send', 'replyTo', `expected the id of a message of ${channel}, got another`)
      }
      const sent: Message = {
        id,
        channel,
        seq,
        user,
        content,
        ...(replyTo !== undefined && { replyTo }),
        createdAt: timestamp,
      }
      return { payload: sent, writes: [recordOf(sent)], result: { messageId: id } }
    },
  }
}

function edit({ channel, payload, user }: Publication): ReturnType<FactRule> {
  const { messageId, content } = payload as MessageEdit
  const key = messageKey(channel, messageId)
  return {
    reads: [key],
    decide(read, { seq, timestamp }) {
      const { before, edits } = standing(read, key, 'message:edit')
      // Also not a server in its own name: whom the author blocked would be told the words [MSG1].
      if (before.user?.id !== user?.id) {
        throw new ConveneError('forbidden', 'message:edit: only its author may edit a message; answer it with your own')
      }
      const all = [...edits, seq]
      const forgotten = all.slice(0, -EDITS_KEPT)
      return {
        payload: { messageId, content, editedAt: timestamp },
        writes: [recordOf({ ...before, content, editedAt: timestamp }, all.slice(-EDITS_KEPT))],
        // At once, since a deletion would not find them any more.
        ...(forgotten.length > 0 && { withdraws: { field: 'content', seqs: forgotten } }),
        result: { messageId },
      }
    },
  }
}

function remove({ channel, payload, user, role }: Publication): ReturnType<FactRule> {
  const { messageId } = payload as MessageDelete
  const key = messageKey(channel, messageId)
  return {
    reads: [key],
    decide(read, { timestamp }) {
      const { before, edits } = standing(read, key, 'message:delete')
      if (user !== null && before.user?.id !== user.id && role !== 'admin') {
        throw new ConveneError('forbidden', 'message:delete: only its author, or an admin, may delete a message')
      }
      return {
        payload: { messageId, deletedAt: timestamp },
        writes: [recordOf({ ...before, content: '', deletedAt: timestamp })],
        withdraws: { field: 'content', seqs: [before.seq, ...edits] },
        result: { messageId },
      }
    },
  }
}

/** The message that is to be changed, and the facts that did before. @throws ConveneError `not_found`, also once it is deleted */
function standing(read: ReadRecord, key: RecordKey, type: string): { before: Message; edits: readonly number[] } {
  const record = read(key)
  if (record && !record.deleted) return { before: messageOf(record), edits: editsOf(record) }
  const came = record ? 'one that was deleted' : 'another'
  throw refusal('not_found', type, 'messageId', `expected the id of a message of ${key.scope}, got ${came}`)
}

/** What is wrong with a field of a fact's payload, named as in the body that brought it. */
function refusal(code: ErrorCode, type: string, field: string, message: string): ConveneError {
  const path = `payload.${field}`
  return new ConveneError(code, `${type}: ${path}: ${message}`, { details: [{ path, message }] })
}
