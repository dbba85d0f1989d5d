import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { Rate } from '../session/limits.ts'
import { WEBSOCKET_LIMITS } from './websocket-limits.ts'

// Pings, pongs and Engine.IO's own packets of one character: nobody's client sends more than a few.
const BEATS_PER_SECOND = 100
// What waits for a client that reads; for more than that a pong is of no use.
const PONG_UP_TO_BYTES = 16_384

/**
 * The WebSockets under Engine.IO, for clients that are not to be trusted: one that pings without reading would have all
 * its pongs wait here, and nobody counts beats but we. `cut` is told of one that never stops.
 */
export function engineWebSockets(cut: (request: IncomingMessage) => void): typeof WebSocketServer {
  function guard(ws: WebSocket, request: IncomingMessage): void {
    const beats = new Rate(BEATS_PER_SECOND)
    const isAllowed = () => {
      if (beats.allows()) return true
      if (ws.readyState === ws.OPEN) cut(request)
      ws.terminate()
      return false
    }
    ws.on('ping', (data) => {
      if (isAllowed() && ws.readyState === ws.OPEN && ws.bufferedAmount <= PONG_UP_TO_BYTES) ws.pong(data)
    })
    ws.on('pong', isAllowed)
    ws.on('message', (data: Buffer) => void (data.length <= 1 && isAllowed()))
  }

  return class EngineWebSockets extends WebSocketServer {
    constructor(options: ConstructorParameters<typeof WebSocketServer>[0]) {
      super({ ...options, ...WEBSOCKET_LIMITS })
    }

    override handleUpgrade(
      request: IncomingMessage,
      pipe: Duplex,
      head: Buffer,
      opened: (ws: WebSocket, request: IncomingMessage) => void,
    ): void {
      super.handleUpgrade(request, pipe, head, (ws) => {
        guard(ws, request)
        opened(ws, request)
      })
    }
  } as typeof WebSocketServer
}
