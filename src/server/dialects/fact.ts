import { isChannelAddress } from '../../protocol/channel.ts'
import type { Envelope } from '../../protocol/envelope.ts'
import { OTHER, otherPayload } from './older-events.ts'

/** The fact that an event tells; undefined when it tells something else. */
export function factOf(event: string, body: unknown): Envelope | undefined {
  const fact = body as Partial<Envelope> | null | undefined
  const isFact = typeof fact === 'object' && fact !== null && fact.type === event && fact.operationId !== undefined
  return isFact ? (fact as Envelope) : undefined
}

/** What a fact stands in for whose name or payload the protocol has no form for; undefined when it is none. */
export function otherOf({
  type,
  payload,
}: Envelope): { readonly type: string; readonly payload?: unknown } | undefined {
  // An app's server may publish under this name what it likes.
  return type === OTHER ? otherPayload.safeParse(payload).data : undefined
}

/** [D5] Where a fact stands: what may be added to any object an older client is told. */
export function placeOf({ epoch, seq, channel }: Envelope) {
  return { epoch, seq, channel }
}

/** Whether an object has all of such a place: nobody's own fields look like that. */
export function hasPlace({ epoch, seq, channel }: Readonly<Record<string, unknown>>): boolean {
  return typeof channel === 'string' && isChannelAddress(channel) && typeof epoch === 'string' && Number.isInteger(seq)
}

/** The field of something that may be anything. */
export function field(of: unknown, name: string): unknown {
  return isObject(of) && Object.hasOwn(of, name) ? of[name] : undefined
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Text that is not empty. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
