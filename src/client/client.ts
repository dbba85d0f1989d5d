import { isChannelAddress } from '../protocol/channel.ts'
import type { LogEntry } from '../protocol/envelope.ts'
import { ConveneError } from '../protocol/errors.ts'
import { type Channel, type ConnectedChannel, createChannel } from './channel.ts'
import { type ClientState, Connection } from './connection.ts'
import type { Transport } from './pipe.ts'
import type { Token } from './token.ts'

export interface ClientOptions {
  /** Where the server is, without a path: `https://collab.example.com`. */
  readonly url: string
  readonly token: Token
  /** `['websocket']` unless given: polling needs a proxy that leads a client always to the same node. */
  readonly transports?: readonly Transport[]
}

export interface ConveneClient {
  readonly state: ClientState
  /** Connects, and reconnects for ever after, until `close()` or a refusal for good. Does nothing when it does so already. */
  connect(): void
  /** Disconnects. What is not answered yet is rejected with `unavailable`; channels that were joined are joined again by `connect()`. */
  close(): void
  /** Tells each change of state, with the server's reason where it gave one. Gives back the stop. */
  onState(listener: (state: ClientState, reason: ConveneError | undefined) => void): () => void
  /**
   * The channel of this address; the same one each time.
   * @throws ConveneError `invalid` when that is no address
   */
  channel(address: string): Channel
}

/**
 * A client of a Convene server, not connected yet.
 * @example
 * const client = createClient({ url: 'https://collab.example.com', token: () => fetchToken() })
 * client.connect()
 * const project = client.channel('project:p1')
 * project.on('task:update', ({ payload, user }) => show(payload, user))
 * await project.join()
 * await project.publish('task:update', { id: 't1', done: true })
 * @throws ConveneError `invalid` when the url will not do
 */
export function createClient({ url, token, transports = ['websocket'] }: ClientOptions): ConveneClient {
  const channels = new Map<string, ConnectedChannel>()
  const connection = new Connection({
    url: serverUrl(url),
    token,
    transports,
    greeted: () => each((channel) => channel.greeted()),
    lost: () => each((channel) => channel.lost()),
    stopped: (error) => each((channel) => channel.stopped(error)),
    event(name, body) {
      const address = (body as { channel?: unknown } | undefined)?.channel
      const channel = typeof address === 'string' ? channels.get(address) : undefined
      if (name === 'channel:left') channel?.removed()
      else if (isFact(body)) channel?.received(body)
    },
  })
  const wire = {
    get connected() {
      return connection.state === 'connected'
    },
    get userId() {
      return connection.userId
    },
    ask: connection.ask.bind(connection),
  }

  function each(act: (channel: ConnectedChannel) => void): void {
    for (const channel of channels.values()) act(channel)
  }

  return {
    get state() {
      return connection.state
    },
    connect: () => connection.connect(),
    close: () => connection.close(),
    onState: (listener) => connection.onState(listener),
    channel(address) {
      if (!isChannelAddress(address)) {
        throw new ConveneError('invalid', `"${address}" is no channel: expected kind:id, like project:p1`)
      }
      const channel = channels.get(address) ?? createChannel(address, wire)
      channels.set(address, channel)
      return channel
    },
  }
}

/** Facts are what has a place in a log. */
function isFact(body: unknown): body is LogEntry {
  return typeof body === 'object' && body !== null && 'seq' in body && 'epoch' in body
}

/** Socket.IO would take a path for the name of a namespace. */
function serverUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  if (!url || !/^(https?|wss?):$/.test(url.protocol) || url.pathname !== '/') {
    throw new ConveneError(
      'invalid',
      `url is "${given}": expected an address without a path, like http://localhost:3001`,
    )
  }
  return url.origin
}
