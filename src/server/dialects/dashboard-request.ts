import type { Style } from './dashboard-frame.ts'
import { field, isObject, textOf } from './fact.ts'

/** A frame that asks for something. */
export interface Request {
  readonly style: Style
  readonly type: string
  readonly id: unknown
  readonly payload: unknown
  readonly frame: Readonly<Record<string, unknown>>
}

// As the browser library counts its frames.
const LIBRARY_ID = /^msg_\d+$/

/** The request in a frame; undefined where it names no type. */
export function requestIn(heard: unknown): Request | undefined {
  const type = textOf(field(heard, 'type'))
  if (!isObject(heard) || type === undefined) return undefined
  const { id, payload, data } = heard
  const isLibrary = (typeof id === 'string' && LIBRARY_ID.test(id)) || (payload === undefined && data !== undefined)
  return {
    style: isLibrary ? 'library' : 'document',
    type,
    id: typeof id === 'string' || typeof id === 'number' ? id : undefined,
    payload: payload ?? (data === undefined ? payload : data),
    frame: heard,
  }
}
