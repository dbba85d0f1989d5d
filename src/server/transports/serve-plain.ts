import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import { kindOf } from '../../protocol/channel.ts'
import { type ConveneError, catalogued } from '../../protocol/errors.ts'
import type { Verified } from '../auth/authenticator.ts'
import type { Believed, OlderIdentity } from '../auth/older-identity.ts'
import type { Door } from '../dialects/dialect.ts'
import type { Session } from '../session/session.ts'
import type { Doorway } from './doorway.ts'
import { heartbeat } from './heartbeat.ts'
import { PlainClient, type PlainClientOptions } from './plain-client.ts'
import { PlainConnection } from './plain-connection.ts'

export interface ServePlainOptions
  extends PlainClientOptions,
    Pick<Doorway, 'logger' | 'open' | 'prepare' | 'ready' | 'close'> {
  readonly pingIntervalMs: number
  readonly pingTimeoutMs: number
  readonly maxOutboundBytes: number
  readonly identity: OlderIdentity
}

/** Somebody who was let in, on a WebSocket that has just been opened. */
export interface Arrival {
  readonly door: Door
  readonly ws: WebSocket
  /** What the WebSocket writes to. */
  readonly pipe: Duplex
  readonly query: URLSearchParams
  readonly sessionId: string
  readonly address: string
  readonly verified: Believed
}

// By its own close, with the code that says so or with none; `ws` calls that 1005. A page that goes away says 1001.
const MEANT: readonly number[] = [1000, 1005]

/** Makes a session of somebody who was let in, greets it and serves it until it is gone. */
export async function servePlain(
  { door, ws, pipe, query, sessionId, address, verified }: Arrival,
  options: ServePlainOptions,
  tell: { entered(client: PlainClient): void; refused(error: ConveneError): void },
): Promise<void> {
  // Nothing is read before there is somebody to serve.
  ws.pause()
  const { logger, metrics, identity } = options
  let session: Session | undefined
  const dialect = door.speak({
    sessionId,
    query,
    get user() {
      return session?.author ?? { id: verified.identity.id }
    },
  })
  const connection = new PlainConnection(ws, pipe, {
    id: sessionId,
    address,
    door,
    dialect,
    maxOutboundBytes: options.maxOutboundBytes,
    slow() {
      metrics.refused.inc({ code: 'slow_consumer' })
      logger.warn({ session: sessionId, user: session?.userId, address }, 'a session that does not read was cut')
    },
    failed(err) {
      metrics.refused.inc({ code: 'internal' })
      logger.error({ err, session: sessionId, door: door.paths[0] }, 'the words of an older family failed')
    },
  })
  const stopBeating = heartbeat(ws, options.pingIntervalMs, options.pingTimeoutMs)
  ws.once('close', (code) => {
    stopBeating()
    if (session) options.close(session, MEANT.includes(code) || connection.sentAway)
  })

  /** Resolves to nothing when the client went meanwhile. */
  async function enter(as: Verified): Promise<Session | undefined> {
    if (!connection.open) return undefined
    session = options.open(connection, as, session)
    await options.prepare(session)
    if (!connection.open) return undefined
    await options.ready(session)
    return connection.open ? session : undefined
  }

  /** [D3] The same client as somebody else, in the channels it was in. */
  async function become(userId: string): Promise<Session | undefined> {
    const as = identity.claimed(userId)
    const before = session
    const channels = before?.channels.filter((channel) => kindOf(channel) !== 'user') ?? []
    if (before) options.close(before, true)
    const next = await enter(as)
    for (const channel of next ? channels : []) {
      void options.serve(next as Session, 'channel:join', { channel }, ({ ok }) => {
        if (!ok) connection.send('channel:left', { channel, reason: 'forbidden' })
      })
    }
    return next
  }

  try {
    const entered = await enter(verified)
    if (!entered) return
    // [D3] Whoever has shown a token is who it says, also where claims are believed.
    const becomes = identity.believesClaims && verified.isClaim ? become : undefined
    const client = new PlainClient(ws, connection, dialect, entered, options, becomes)
    tell.entered(client)
    client.begin()
  } catch (thrown) {
    const refusal = catalogued(thrown)
    tell.refused(refusal)
    connection.close(refusal)
  }
}
