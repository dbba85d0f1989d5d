import { randomInt } from 'node:crypto'
import type { ErrorBody } from '../../protocol/errors.ts'
import type { placeOf } from './fact.ts'

/**
 * How a client of the dashboard writes its frames and reads ours: as the family's document has it (`payload`, ISO times),
 * or as its browser library does (`data`, times in ms, a reply by the request's own id). `either` until it has shown.
 */
export type Style = 'document' | 'library' | 'either'

export interface Said {
  readonly type: string
  readonly payload: unknown
  /** Whose word it is; empty when it is nobody's. */
  readonly userId: string
  /** The id of the frame that this answers. */
  readonly to?: unknown
  readonly error?: Pick<ErrorBody, 'code' | 'message'> | undefined
  /** [D5] What is added, for clients that look. */
  readonly place?: Partial<ReturnType<typeof placeOf>> | undefined
  /** ms since 1970; now unless given. */
  readonly at?: number
}

/** A frame as text. */
export function frame(style: Style, { type, payload, userId, to, error, place, at }: Said): string {
  const timestamp = at ?? Date.now()
  if (style === 'library') {
    // Its own frames know no user.
    const about = to === undefined ? { userId } : { correlationId: to }
    const id = to ?? freshId('msg')
    return JSON.stringify({ type, id, timestamp, data: payload, error, ...about, payload, ...place })
  }
  return JSON.stringify({
    type,
    id: freshId('msg'),
    timestamp: isoTime(timestamp),
    userId,
    correlationId: to,
    payload,
    ...(style === 'either' && { data: payload }),
    ...place,
  })
}

/** `msg-1703123456789-4fzyo82`. */
export function freshId(prefix: 'msg' | 'client'): string {
  return `${prefix}-${Date.now()}-${randomInt(36 ** 7)
    .toString(36)
    .padStart(7, '0')}`
}

/** An app may have given a fact a time that no date can hold. */
function isoTime(ms: number): string {
  const date = new Date(ms)
  return (Number.isNaN(date.getTime()) ? new Date() : date).toISOString()
}
