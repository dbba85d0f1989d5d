import type { Request } from 'express'
import { ConveneError } from '../../protocol/errors.ts'

export const JSON_TYPES = ['application/json', 'application/*+json']

/** Refuses a body that was not sent as JSON: nobody has read it, and it would look as if nothing was sent. */
export function requireJson(request: Request): void {
  // An empty one is nothing, whatever its type.
  if (request.get('content-length') !== '0' && request.is(JSON_TYPES) === false) {
    throw new ConveneError('invalid', 'send the body as JSON with Content-Type: application/json')
  }
}
