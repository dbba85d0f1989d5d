import { type Server as HttpServer, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { kindOf } from '../../protocol/channel.ts'
import { ConveneError, catalogued, ERRORS } from '../../protocol/errors.ts'
import type { Verified } from '../auth/authenticator.ts'
import { type OlderIdentity, shownIn } from '../auth/older-identity.ts'
import type { Door } from '../dialects/dialect.ts'
import { doorOf } from '../dialects/doors.ts'
import type { Session } from '../session/session.ts'
import { agreedProtocol } from './agreed-protocol.ts'
import { clientAddress } from './client-address.ts'
import type { Doorway } from './doorway.ts'
import { heartbeat } from './heartbeat.ts'
import { type AllowedOrigins, isFromPage, isOriginAllowed } from './origin.ts'
import { PlainClient, type PlainClientOptions } from './plain-client.ts'
import { PlainConnection } from './plain-connection.ts'

export interface PlainOptions extends PlainClientOptions, Doorway {
  readonly allowedOrigins: AllowedOrigins
  readonly trustProxy: number
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxOutboundBytes: number
  readonly identity: OlderIdentity
}

/** The plain WebSocket clients of this instance. */
export interface PlainWebSocket {
  /** Those who came in by one of the doors. */
  clients(door: Door): Iterable<PlainClient>
  /** Lets everybody go at once. */
  stop(): void
}

const NORMAL_CLOSURE = 1000
const CLOSES_WITHIN_MS = 5000
// Of one message; more pieces than that only cost memory.
const MAX_FRAGMENTS = 64
const MAX_CHUNKS = 1024

/** Serves the families of plain WebSocket clients on their paths of an HTTP server; other upgrades are left to others. */
export function attachPlainWebSocket(http: HttpServer, options: PlainOptions): PlainWebSocket {
  const { logger, metrics, admission } = options
  const clients = new Map<PlainClient, Door>()
  const wss = new WebSocketServer({
    noServer: true,
    clientTracking: true,
    perMessageDeflate: false,
    autoPong: false,
    // What is a little too large is refused with a word; what is far too large closes the connection.
    maxPayload: options.maxMessageBytes * 4,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_CHUNKS,
    // Not known to its types yet.
    ...({ closeTimeout: CLOSES_WITHIN_MS } as object),
    handleProtocols: agreedProtocol,
  })

  async function admit(door: Door, query: URLSearchParams, request: IncomingMessage, pipe: Duplex, head: Buffer) {
    const address = clientAddress(request, options.trustProxy)
    const { origin } = request.headers
    const sessionId = door.sessionId()
    let verified: Verified | undefined
    let refusal: ConveneError | undefined
    try {
      if (!isOriginAllowed(origin, options.allowedOrigins)) {
        throw new ConveneError('origin_not_allowed', 'Origin not allowed')
      }
      await admission.check(address)
      const shown = shownIn(request.headers, query, isFromPage(request.headers, options.allowedOrigins))
      verified = await options.identity.identify(shown, door.letsInNobody ? sessionId : undefined)
      // It may have begun while this handshake asked an issuer for its keys.
      admission.checkDraining()
    } catch (thrown) {
      refusal = catalogued(thrown)
      noteRefusal(refusal, { door: door.paths[0], address, origin })
    }
    if (pipe.destroyed) return
    const status = refusal && statusOf(refusal, door)
    if (refusal && status) {
      answer(pipe, status, refusal)
      return
    }
    wss.handleUpgrade(request, pipe, head, (ws) => {
      ws.on('error', () => {})
      if (verified) void serve(door, query, ws, { sessionId, address, verified })
      else if (refusal) end(door, ws, refusal)
    })
  }

  async function serve(
    door: Door,
    query: URLSearchParams,
    ws: WebSocket,
    { sessionId, address, verified }: { sessionId: string; address: string; verified: Verified },
  ): Promise<void> {
    // Nothing is read before there is somebody to serve.
    ws.pause()
    let session: Session | undefined
    const dialect = door.speak({
      sessionId,
      query,
      get user() {
        return session?.author ?? { id: verified.identity.id }
      },
    })
    const connection = new PlainConnection(ws, {
      id: sessionId,
      address,
      door,
      dialect,
      maxOutboundBytes: options.maxOutboundBytes,
      slow() {
        metrics.refused.inc({ code: 'slow_consumer' })
        logger.warn({ session: sessionId, user: session?.userId, address }, 'a session that does not read was cut')
      },
    })
    const stopBeating = heartbeat(ws, options.pingIntervalMs, options.pingTimeoutMs)
    let client: PlainClient | undefined
    ws.once('close', (code) => {
      stopBeating()
      if (session) options.close(session, code === NORMAL_CLOSURE || connection.sentAway)
      if (client) clients.delete(client)
    })

    async function enter(as: Verified): Promise<Session | undefined> {
      session = options.open(connection, as)
      await options.prepare(session)
      await options.ready(session)
      return ws.readyState === ws.OPEN ? session : undefined
    }

    /** [D3] The same client as somebody else, in the channels it was in. */
    async function become(userId: string): Promise<Session | undefined> {
      const as = options.identity.claimed(userId)
      const before = session
      const channels = before?.channels.filter((channel) => kindOf(channel) !== 'user') ?? []
      if (before) options.close(before, true)
      const next = await enter(as)
      for (const channel of next ? channels : [])
        void options.serve(next as Session, 'channel:join', { channel }, () => {})
      return next
    }

    try {
      const entered = await enter(verified)
      if (!entered) return
      client = new PlainClient(
        ws,
        connection,
        dialect,
        entered,
        options,
        options.identity.believesClaims ? become : undefined,
      )
      clients.set(client, door)
      client.begin()
    } catch (thrown) {
      const refusal = catalogued(thrown)
      noteRefusal(refusal, { door: door.paths[0], address })
      connection.close(refusal)
      ws.resume()
    }
  }

  function noteRefusal(error: ConveneError, about: object): void {
    metrics.refusedConnections.inc({ code: error.code })
    if (error.code === 'internal') logger.error({ err: error.cause }, 'a handshake failed')
    else logger.info({ code: error.code, ...about }, 'a connection was refused')
  }

  http.on('upgrade', (request, pipe, head) => {
    const { url = '' } = request
    const door = doorOf(url)
    if (!door) return
    const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length))
    pipe.on('error', () => {})
    const late = setTimeout(() => pipe.destroy(), options.connectTimeoutMs).unref()
    void admit(door, query, request, pipe, head).finally(() => clearTimeout(late))
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

/** The HTTP status of what is refused before anything is accepted; undefined where the connection is closed with a code. */
function statusOf(refusal: ConveneError, door: Door): number | undefined {
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

function answer(pipe: Duplex, status: number, { retryAfterMs }: ConveneError): void {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, 'Connection: close', 'Content-Length: 0']
  if (retryAfterMs !== undefined) lines.push(`Retry-After: ${Math.ceil(retryAfterMs / 1000)}`)
  pipe.end(`${lines.join('\r\n')}\r\n\r\n`, () => pipe.destroy())
}

/** Accepts, says why and closes: a browser tells its page nothing of a handshake that was refused. */
function end(door: Door, ws: WebSocket, error: ConveneError): void {
  const sessionId = door.sessionId()
  const dialect = door.speak({ sessionId, user: { id: sessionId }, query: new URLSearchParams() })
  const connection = new PlainConnection(ws, {
    id: sessionId,
    address: '',
    door,
    dialect,
    maxOutboundBytes: Number.POSITIVE_INFINITY,
    slow() {},
  })
  connection.close(error)
}
