import type { Server as HttpServer } from 'node:http'
import { Server, type ServerOptions, type Socket } from 'socket.io'
import { Encoder } from 'socket.io-parser'
import { kindOf } from '../../protocol/channel.ts'
import { ConveneError } from '../../protocol/errors.ts'
import type { Credentials } from '../auth/authenticator.ts'
import { beginsBoard, speakBoard } from '../dialects/board.ts'
import type { Step, Words } from '../dialects/dialect.ts'
import type { Reply } from '../session/dispatch.ts'
import type { Session } from '../session/session.ts'
import { clientAddress } from './client-address.ts'
import type { Doorway } from './doorway.ts'
import { engineWebSockets } from './engine-websockets.ts'
import { limitedDecoder } from './limited-decoder.ts'
import { type AllowedOrigins, isFromPage, isOriginAllowed } from './origin.ts'
import { SocketIoConnection } from './socketio-connection.ts'
import { whenGone } from './when-gone.ts'

export interface SocketIoOptions extends Doorway {
  readonly allowedOrigins: AllowedOrigins
  readonly trustProxy: number
  readonly transports: readonly ('websocket' | 'polling')[]
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxMessageBytes: number
  readonly maxOutboundBytes: number
  /** Takes what an embedding app emits to rooms to other instances. */
  readonly adapter?: ServerOptions['adapter'] | undefined
}

/** Serves Socket.IO clients on `/socket.io/` of an HTTP server. */
export function attachSocketIo(http: HttpServer, options: SocketIoOptions): Server {
  const { logger, metrics } = options
  const sessions = new WeakMap<Socket, { session: Session; connection: SocketIoConnection }>()
  const io = new Server(http, {
    serveClient: false,
    destroyUpgrade: false, // other doors on this HTTP server take the upgrades of their own paths
    transports: [...options.transports],
    ...(options.adapter && { adapter: options.adapter }),
    pingInterval: options.pingIntervalMs,
    pingTimeout: options.pingTimeoutMs,
    connectTimeout: options.connectTimeoutMs,
    // What is a little too large is refused with a word; what is far too large closes the connection.
    maxHttpBufferSize: options.maxMessageBytes * 4,
    parser: { Encoder, Decoder: limitedDecoder(options.maxMessageBytes) },
    wsEngine: engineWebSockets((request) => {
      metrics.refused.inc({ code: 'rate_limited' })
      const address = clientAddress(request, options.trustProxy)
      logger.warn({ address }, 'a connection was cut that never stopped to ping or pong')
    }),
    cors: {
      origin: (origin, callback) => callback(null, isOriginAllowed(origin, options.allowedOrigins)),
      credentials: true,
    },
  })

  async function admit(socket: Socket): Promise<void> {
    const { headers } = socket.request
    const address = clientAddress(socket.request, options.trustProxy)
    const credentials = takeCredentials(socket, options.allowedOrigins)
    await options.admission.check(address)
    if (!isOriginAllowed(headers.origin, options.allowedOrigins)) {
      throw new ConveneError('origin_not_allowed', 'Origin not allowed')
    }
    const verified = await options.authenticate(credentials)
    if (socket.conn.readyState !== 'open') return
    // It may have begun while this handshake asked an issuer for its keys.
    options.admission.checkDraining()
    const about = { session: socket.id, user: verified.identity.id, address }
    const connection = new SocketIoConnection(
      socket,
      address,
      options.maxOutboundBytes,
      () => {
        metrics.refused.inc({ code: 'slow_consumer' })
        logger.warn(about, 'a session that does not read was cut')
      },
      (err) => logger.error({ err, ...about }, 'the words of an older family failed'),
    )
    const session = options.open(connection, verified)
    sessions.set(socket, { session, connection })
    whenGone(socket, (clean) => options.close(session, clean))
    await options.prepare(session)
  }

  io.use((socket, next) => {
    admit(socket).then(
      () => next(),
      (thrown: unknown) => {
        const error = refusalOf(thrown)
        metrics.refusedConnections.inc({ code: error.code })
        const address = clientAddress(socket.request, options.trustProxy)
        const { origin } = socket.request.headers
        if (error.code === 'internal') logger.error({ err: thrown }, 'a handshake failed')
        else logger.info({ code: error.code, address, origin }, 'a connection was refused')
        const { message, ...data } = error.toBody()
        next(Object.assign(new Error(message), { data }))
        // [CON6] After the refusal is on its way; left open, it would be free to try again and again.
        setImmediate(() => socket.conn.close())
      },
    )
  })

  io.on('connection', (socket) => {
    const found = sessions.get(socket)
    if (!found) return
    const { session, connection } = found
    socket.once('disconnect', () => socket.conn.close())
    socket.onAny((event: unknown, ...args: unknown[]) => {
      // What came in one read may outlive its connection by thousands of packets.
      if (socket.conn.readyState !== 'open') return
      const last = args.at(-1)
      const reply = typeof last === 'function' ? (last as Reply) : undefined
      const body = args[0] === last && reply ? undefined : args[0]
      if (!connection.dialect && beginsBoard({ event, body, reply })) {
        const { author: user, id: sessionId } = session
        const hasJoined = session.entering.size > 0 || session.channels.some((channel) => kindOf(channel) !== 'user')
        connection.speak(speakBoard({ sessionId, user, query: new URLSearchParams() }, hasJoined))
      }
      const { dialect } = connection
      if (!dialect) {
        void options.serve(session, event, body, reply)
        return
      }
      const steps = connection.guarded(() => dialect.hear({ event, body, reply }))
      // What asks for nothing costs something all the same.
      if (steps.some((step) => 'ask' in step) || session.allowsMore()) take(found, steps)
    })
    options.ready(session).catch((error: unknown) => {
      session.connection.close(error instanceof ConveneError ? error : refusalOf(error))
    })
  })

  /** What a client of an older family said, in the words of the protocol. */
  function take(
    { session, connection }: { session: Session; connection: SocketIoConnection },
    steps: readonly Step<Words>[],
  ) {
    for (const step of steps) {
      if ('say' in step) {
        for (const words of step.say) connection.emit(words)
      } else if ('ask' in step) {
        const { ask, body, answered, next } = step
        const reply: Reply | undefined =
          (answered || next) &&
          ((answer) => {
            for (const words of connection.guarded(() => answered?.(answer) ?? [])) connection.emit(words)
            take(
              { session, connection },
              connection.guarded(() => next?.(answer) ?? []),
            )
          })
        void options.serve(session, ask, body, reply)
      } else if ('close' in step) {
        connection.close(new ConveneError(step.close.code, step.close.message))
      }
    }
  }

  return io
}

/**
 * [CON1] What a handshake shows of its identity, taken out of where other code could find it. A cookie counts only
 * from a page: one whose origin is allowed, or, where a browser sends no Origin, one of this very origin.
 */
function takeCredentials(socket: Socket, allowed: AllowedOrigins): Credentials {
  const { handshake } = socket
  const { headers } = handshake
  const given = (handshake.auth as { token?: unknown }).token
  const bearer = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
  const token = typeof given === 'string' && given !== '' ? given : bearer
  const credentials = { token, cookie: isFromPage(headers, allowed) ? headers.cookie : undefined }
  handshake.auth = {}
  delete headers.authorization
  delete headers.cookie
  return credentials
}

function refusalOf(thrown: unknown): ConveneError {
  if (thrown instanceof ConveneError) return thrown
  return new ConveneError('internal', 'Something went wrong here; it was logged. Try again')
}
