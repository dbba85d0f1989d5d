// How a handshake on plain WebSocket is refused: with an HTTP status, or, so that a browser learns why, with a close code.
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { type ConveneError, ERRORS } from '../../protocol/errors.ts'
import type { Door } from '../dialects/dialect.ts'
import { PlainConnection } from './plain-connection.ts'

/** The HTTP status of what is refused before anything is accepted; undefined where the connection is closed with a code. */
export function statusOf(refusal: ConveneError, door: Door): number | undefined {
  switch (refusal.code) {
    case 'origin_not_allowed':
    case 'rate_limited':
    case 'draining':
      return ERRORS[refusal.code].http
    case 'internal':
    case 'unavailable':
      return door.refusesWith && ERRORS[refusal.code].http
    default:
      return door.refusesWith
  }
}

export function answerRefusal(pipe: Duplex, status: number, { retryAfterMs }: ConveneError): void {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, 'Connection: close', 'Content-Length: 0']
  if (retryAfterMs !== undefined) lines.push(`Retry-After: ${Math.ceil(retryAfterMs / 1000)}`)
  pipe.end(`${lines.join('\r\n')}\r\n\r\n`, () => pipe.destroy())
}

/** Says why and closes: a browser tells its page nothing of a handshake that was refused. */
export function closeRefused(door: Door, ws: WebSocket, pipe: Duplex, error: ConveneError): void {
  const sessionId = door.sessionId()
  const dialect = door.speak({ sessionId, user: { id: sessionId }, query: new URLSearchParams() })
  const connection = new PlainConnection(ws, pipe, {
    id: sessionId,
    address: '',
    door,
    dialect,
    maxOutboundBytes: Number.POSITIVE_INFINITY,
    slow() {},
    failed() {},
  })
  connection.close(error)
}
