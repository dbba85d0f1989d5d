import type { Message } from '../../protocol/chat.ts'
import type { KeptRecord, RecordKey } from '../store/record.ts'

export const MESSAGE = 'message'

/** Names the record of one message. */
export function messageKey(channel: string, id: string): RecordKey {
  return { scope: channel, kind: MESSAGE, id }
}

/** What is kept of a message beside its name and place. `edits`: the facts that brought other words and still tell them. */
type Data = Omit<Message, 'id' | 'channel' | 'seq'> & { readonly edits?: readonly number[] }

/** A message as it is kept. Its author owns it, its place is where it was sent, and neither ever changes. */
export function recordOf({ id, channel, seq, ...message }: Message, edits: readonly number[] = []): KeptRecord {
  const data: Data = { ...message, ...(edits.length > 0 && { edits }) }
  return {
    ...messageKey(channel, id),
    seq,
    owner: data.user?.id ?? null,
    deleted: data.deletedAt !== undefined,
    data,
  }
}

/** A message as it is told. */
export function messageOf({ id, scope, seq, data }: KeptRecord): Message {
  const { edits: _edits, ...message } = data as Data
  return { ...message, id, channel: scope, seq }
}

/** The facts that brought a message's later words and still tell them. */
export function editsOf({ data }: KeptRecord): readonly number[] {
  return (data as Data).edits ?? []
}
