import type { Server as HttpServer, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { ConveneError, catalogued } from '../../protocol/errors.ts'
import { type Believed, shownIn } from '../auth/older-identity.ts'
import type { Door } from '../dialects/dialect.ts'
import { doorOf } from '../dialects/doors.ts'
import { agreedProtocol } from './agreed-protocol.ts'
import { clientAddress } from './client-address.ts'
import type { Doorway } from './doorway.ts'
import { type AllowedOrigins, isFromPage, isOriginAllowed } from './origin.ts'
import type { PlainClient } from './plain-client.ts'
import { answerRefusal, closeRefused, statusOf } from './plain-refusal.ts'
import { type ServePlainOptions, servePlain } from './serve-plain.ts'
import { WEBSOCKET_LIMITS } from './websocket-limits.ts'

export interface PlainOptions extends ServePlainOptions, Doorway {
  readonly allowedOrigins: AllowedOrigins
  readonly trustProxy: number
  readonly connectTimeoutMs: number
}

/** The plain WebSocket clients of this instance. */
export interface PlainWebSocket {
  /** Those who came in by one of the doors. */
  clients(door: Door): Iterable<PlainClient>
  /** Lets everybody go at once. */
  stop(): void
}

const CLOSES_WITHIN_MS = 5000

/** Serves the families of plain WebSocket clients on their paths of an HTTP server; other upgrades are left to others. */
export function attachPlainWebSocket(http: HttpServer, options: PlainOptions): PlainWebSocket {
  const { logger, metrics, admission } = options
  const clients = new Map<PlainClient, Door>()
  const wss = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    ...WEBSOCKET_LIMITS,
    // What is a little too large is refused with a word; what is far too large closes the connection.
    maxPayload: options.maxMessageBytes * 4,
    // Not known to its types yet.
    ...({ closeTimeout: CLOSES_WITHIN_MS } as object),
    handleProtocols: agreedProtocol,
  })

  async function admit(door: Door, request: IncomingMessage, pipe: Duplex, head: Buffer, greeted: () => void) {
    const { url = '', headers } = request
    const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length))
    const address = clientAddress(request, options.trustProxy)
    const sessionId = door.sessionId()
    let verified: Believed | undefined
    let refusal: ConveneError | undefined
    try {
      if (!isOriginAllowed(headers.origin, options.allowedOrigins)) {
        throw new ConveneError('origin_not_allowed', 'Origin not allowed')
      }
      await admission.check(address)
      const shown = shownIn(headers, query, isFromPage(headers, options.allowedOrigins))
      verified = await options.identity.identify(shown, door.letsInNobody ? sessionId : undefined)
      // It may have begun while this handshake asked an issuer for its keys.
      admission.checkDraining()
    } catch (thrown) {
      refusal = catalogued(thrown)
      noteRefusal(refusal, { door: door.paths[0], address, origin: headers.origin })
    }
    // Nothing that comes after needs it.
    query.delete('token')
    if (pipe.destroyed) return
    const status = refusal && statusOf(refusal, door)
    if (refusal && status) {
      answerRefusal(pipe, status, refusal)
      return
    }
    wss.handleUpgrade(request, pipe, head, (ws) => {
      ws.on('error', () => {})
      if (refusal) closeRefused(door, ws, pipe, refusal)
      else if (verified) {
        const arrival = { door, ws, pipe, query, sessionId, address, verified }
        const tell = {
          entered(client: PlainClient) {
            greeted()
            clients.set(client, door)
            ws.once('close', () => clients.delete(client))
          },
          refused: (error: ConveneError) => noteRefusal(error, { door: door.paths[0], address }),
        }
        servePlain(arrival, options, tell).catch((thrown: unknown) => {
          tell.refused(catalogued(thrown))
          ws.terminate()
        })
      }
    })
  }

  function noteRefusal(error: ConveneError, about: object): void {
    metrics.refusedConnections.inc({ code: error.code })
    if (error.code === 'internal') logger.error({ err: error.cause }, 'a handshake failed')
    else logger.info({ code: error.code, ...about }, 'a connection was refused')
  }

  http.on('upgrade', (request, pipe, head) => {
    const door = doorOf(request.url ?? '')
    if (!door) return
    pipe.on('error', () => {})
    // [CON6] Until it is greeted, or gone: an issuer, a store or the client itself may take for ever.
    const late = setTimeout(() => pipe.destroy(), options.connectTimeoutMs).unref()
    const notLate = () => clearTimeout(late)
    pipe.once('close', notLate)
    admit(door, request, pipe, head, notLate).catch((thrown: unknown) => {
      noteRefusal(catalogued(thrown), { door: door.paths[0] })
      pipe.destroy()
    })
  })

  return {
    *clients(wanted) {
      for (const [client, door] of clients) if (door === wanted) yield client
    },
    stop() {
      for (const ws of wss.clients) ws.terminate()
    },
  }
}
