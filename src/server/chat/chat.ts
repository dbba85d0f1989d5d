import type { Message, MessageListBody, MessageListReply, ReadPosition } from '../../protocol/chat.ts'
import { jsonBytes, MAX_REPLY_BYTES, MAX_UNREAD } from '../../protocol/limits.ts'
import type { RecordKey } from '../store/record.ts'
import type { Store } from '../store/store.ts'
import { MESSAGE, messageKey, messageOf } from './message-record.ts'

/** The messages of channels, and how far each person has read. `blockedBy`: who blocked the one who asks [MSG1]. */
export class Chat {
  readonly #store: Store
  readonly #maxReplyBytes: number

  constructor(store: Store, maxReplyBytes = MAX_REPLY_BYTES) {
    this.#store = store
    this.#maxReplyBytes = maxReplyBytes
  }

  /**
   * Messages as they stand, the newest first; less than was asked when they would not fit into one reply.
   * @throws ConveneError `unavailable`
   */
  async list(
    { channel, before, limit }: MessageListBody,
    blockedBy: readonly string[] = [],
  ): Promise<MessageListReply> {
    const records = await this.#store.records({
      scope: channel,
      kind: MESSAGE,
      before,
      // One more, to see whether there is one.
      limit: limit + 1,
      newest: true,
      exceptOwners: blockedBy,
    })
    const messages = firstOf(records.slice(0, limit).map(messageOf), this.#maxReplyBytes)
    return { messages, hasMore: messages.length < records.length }
  }

  /**
   * A message of a channel; undefined when there is none, or it was deleted.
   * @throws ConveneError `unavailable`
   */
  async find(channel: string, id: string): Promise<Message | undefined> {
    const record = await this.#store.record(messageKey(channel, id))
    return record && !record.deleted ? messageOf(record) : undefined
  }

  /**
   * Messages that have an id, in whichever channels: ids are unique in each alone. Of one author, or anybody's; not those
   * that were deleted.
   * @throws ConveneError `unavailable`
   */
  async named(id: string, limit: number, author?: string): Promise<Message[]> {
    const records = await this.#store.recordsNamed({ kind: MESSAGE, id, owner: author, limit })
    return records.filter(({ deleted }) => !deleted).map(messageOf)
  }

  /**
   * Remembers how far somebody has read: never back, and never beyond the channel's head.
   * @throws ConveneError `unavailable`
   */
  async read(
    channel: string,
    userId: string,
    seq: number,
    head: number,
    blockedBy: readonly string[] = [],
  ): Promise<ReadPosition> {
    const key = readKey(channel, userId)
    const reached = await this.#store.change({
      reads: [key],
      decide(read) {
        const before = read(key)?.seq ?? 0
        const next = Math.max(before, Math.min(seq, head))
        const writes = next > before ? [{ ...key, seq: next, owner: userId, deleted: false, data: {} }] : []
        return { writes, result: next }
      },
    })
    return { seq: reached, unread: await this.#count(channel, userId, reached, head, blockedBy) }
  }

  /**
   * How many messages of others there are after what somebody has read, up to a head.
   * @throws ConveneError `unavailable`
   */
  async unread(channel: string, userId: string, head: number, blockedBy: readonly string[] = []): Promise<number> {
    const read = await this.#store.record(readKey(channel, userId))
    return this.#count(channel, userId, read?.seq ?? 0, head, blockedBy)
  }

  async #count(
    channel: string,
    userId: string,
    after: number,
    upTo: number,
    blockedBy: readonly string[],
  ): Promise<number> {
    if (after >= upTo) return 0
    const exceptOwners = [userId, ...blockedBy]
    return this.#store.count({ scope: channel, kind: MESSAGE, after, upTo, limit: MAX_UNREAD, exceptOwners })
  }
}

/** As many as fit into one reply, at least one. */
function firstOf(messages: Message[], maxBytes: number): Message[] {
  let bytes = 0
  const end = messages.findIndex((message, i) => {
    bytes += jsonBytes(message)
    return i > 0 && bytes > maxBytes
  })
  return end === -1 ? messages : messages.slice(0, end)
}

function readKey(channel: string, userId: string): RecordKey {
  return { scope: channel, kind: 'read', id: userId }
}
