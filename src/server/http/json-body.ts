import express, { type Request, type Response } from 'express'
import { ConveneError } from '../../protocol/errors.ts'

const JSON_TYPES = ['application/json', 'application/*+json']

/**
 * Reads a body. To be used when it is settled who calls: what anybody sends would fill the memory, and slowly. What is
 * never read stays in the connection, and goes with it.
 */
export const jsonBody = express.json({ limit: '100kb', type: JSON_TYPES })

/** The same for whoever waits for it. */
export function readJson(request: Request, response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    jsonBody(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)))
  })
}

/** Refuses a body that was not sent as JSON: nobody has read it, and it would look as if nothing was sent. */
export function requireJson(request: Request): void {
  // An empty one is nothing, whatever its type.
  if (request.get('content-length') !== '0' && request.is(JSON_TYPES) === false) {
    throw new ConveneError('invalid', 'send the body as JSON with Content-Type: application/json')
  }
}
