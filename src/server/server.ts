import { createServer as createHttpServer, type Server as HttpServer, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Server as SocketIoServer } from 'socket.io'
import type { DeclaredFact } from '../protocol/client-events.ts'
import type { FactReply } from '../protocol/envelope.ts'
import { ConveneError } from '../protocol/errors.ts'
import { type Options, parseOptions } from './config/config.ts'
import { doorOf } from './dialects/doors.ts'
import { type Instance, startInstance } from './instance.ts'
import { listening } from './listening.ts'
import { refuseStrayUpgrades } from './transports/stray-upgrades.ts'

/**
 * How long a request may take to come in; what answers slowly, like a poll, has come long before. Node looks for late
 * ones only so often.
 */
const RECEIVED_WITHIN = { headersTimeout: 10_000, requestTimeout: 15_000, connectionsCheckingInterval: 5000 }

/** What a server in development without a secret signs and verifies with. For the command line, which signs such tokens. */
export { developmentSecretFile, readDevelopmentSecret } from './development-secret.ts'

/** Options by their names in docs/configuration.md, in camelCase. Own facts may come with a schema and a right. */
export type ServerOptions = Partial<Omit<Options, 'events'>> & {
  readonly events?: readonly string[] | Readonly<Record<string, DeclaredFact>>
}

/** A fact published from the server's own process. `userId`: on whose behalf. */
export interface ServerFact {
  readonly type: string
  readonly payload: Record<string, unknown>
  readonly operationId?: string
  readonly userId?: string
}

export interface ConveneServer {
  /** What it was told, complete. */
  readonly options: Options
  /** Stands alone: its own HTTP server on `host` and `port`. Resolves to where it listens. */
  listen(): Promise<{ readonly url: string; readonly port: number }>
  /** Serves Socket.IO clients on an app's HTTP server, which stays the app's. Its HTTP routes are `handler`. */
  attach(http: HttpServer): Promise<void>
  /** The HTTP routes, for `app.use('/convene', handler)`. 503 before `attach` is done. */
  readonly handler: RequestListener
  /** Socket.IO's own server: `io.to('project:p1').emit(…)` reaches a channel's Socket.IO members [CH2], unkept. */
  readonly io: SocketIoServer
  /**
   * Stores a fact and delivers it, as `POST /api/v1/channels/:channel/events` does.
   * @throws ConveneError `invalid`, `operation_mismatch`, `unavailable`
   */
  publish(channel: string, fact: ServerFact): Promise<FactReply>
  /** Drains [LIFE3], then lets everything go. Closing twice is closing once. */
  close(): Promise<void>
}

/**
 * A Convene server.
 * @example await createServer({ port: 3001, jwtSecrets: ['…'] }).listen()
 * @throws ConfigError naming every option that will not do
 */
export function createServer(given: ServerOptions = {}): ConveneServer {
  const { events: declared = [], ...rest } = given
  const facts = isList(declared) ? Object.fromEntries(declared.map((name) => [name, {}])) : declared
  const options = parseOptions({ ...rest, events: Object.keys(facts) })
  let own: HttpServer | undefined
  const sockets = new Set<Socket>()
  let starting: Promise<Instance> | undefined
  let instance: Instance | undefined
  let closing: Promise<void> | undefined

  async function attach(http: HttpServer): Promise<void> {
    if (starting) throw new Error('This server is attached already; create another one')
    starting = startInstance(options, facts, http)
    instance = await starting
  }

  function running(): Instance {
    if (!instance)
      throw new ConveneError('unavailable', 'The server is not running yet: await listen() or attach() first')
    return instance
  }

  const handler: RequestListener = (request, response) => {
    if (instance) instance.app(request, response)
    else response.writeHead(503, { 'Content-Type': 'application/json' }).end('{"status":"starting"}')
  }

  return {
    options,
    handler,
    attach,
    get io() {
      return running().io
    },
    publish: (channel, fact) => running().publish(channel, fact),
    async listen() {
      own = createHttpServer(RECEIVED_WITHIN, handler)
      await attach(own)
      if (closing !== undefined) throw new ConveneError('unavailable', 'The server was closed while it started')
      refuseStrayUpgrades(own, (url) => url.startsWith('/socket.io/') || doorOf(url) !== undefined)
      own.on('connection', (socket: Socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      await listening(own, options.port, options.host)
      const { port } = own.address() as AddressInfo
      const host = options.host === '0.0.0.0' || options.host === '127.0.0.1' ? 'localhost' : options.host
      return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port }
    },
    close() {
      closing ??= (async () => {
        // One that failed to start has nothing to close.
        const started = await starting?.catch(() => undefined)
        await started?.drain()
        if (own) await stopListening(own, sockets)
        await started?.stop()
      })()
      return closing
    },
  }
}

function isList(events: readonly string[] | Readonly<Record<string, DeclaredFact>>): events is readonly string[] {
  return Array.isArray(events)
}

/** Waits for the requests under way; what only stays open is closed, upgraded connections as well. */
function stopListening(http: HttpServer, sockets: Iterable<Socket>): Promise<void> {
  return new Promise((resolve) => {
    const impatient = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, 1000)
    http.close(() => {
      clearTimeout(impatient)
      resolve()
    })
    http.closeIdleConnections()
  })
}
