import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import type { Envelope } from '../../src/protocol/envelope.ts'
import type { Connected, JoinReply } from '../../src/protocol/session.ts'
import { cleanup } from './cleanup.ts'
import type { TestServer } from './start-server.ts'
import { tokenFor } from './token.ts'

export type Transport = 'websocket' | 'polling'
export const TRANSPORTS: readonly Transport[] = ['websocket', 'polling']

export interface ConnectOptions extends Partial<ManagerOptions & SocketOptions> {
  readonly transport?: Transport
  readonly token?: string
  /** The address to connect from; that of the next node in turn unless given. */
  readonly localAddress?: string | undefined
}

/** One event as it came. */
export interface Received {
  readonly event: string
  readonly body: unknown
}

/** A stock client that remembers everything it was sent. */
export interface Client {
  readonly socket: Socket
  readonly received: Received[]
  readonly connected: Connected
  readonly server: Reached
}

/** Where clients connect: a server of `startServer`, or an address alone. */
export type Reached = Pick<TestServer, 'url'> & Partial<TestServer>

export type Reply<T = Record<string, unknown>> = { ok: true } & T
export interface Refusal {
  readonly ok: false
  readonly error: {
    code: string
    message: string
    retryable: boolean
    retryAfterMs?: number
    details?: { path: string }[]
  }
}

/** A stock `socket.io-client`, not connected yet; disconnected when the test ends. */
export function clientOf(server: string | Reached, options: ConnectOptions = {}): Socket {
  const { url, nextAddress } = typeof server === 'string' ? ({ url: server } satisfies Reached as Reached) : server
  const { transport, token, localAddress = nextAddress?.(), ...rest } = options
  const socket = io(url, {
    forceNew: true,
    autoConnect: false,
    reconnection: false,
    transports: [transport ?? 'websocket'],
    auth: token === undefined ? {} : { token },
    // Declared as text, and handed to Node's http all the same.
    ...(localAddress !== undefined && { agent: new Agent({ localAddress }) as unknown as string }),
    ...rest,
  })
  cleanup(() => socket.disconnect())
  return socket
}

/** Connects somebody and waits for the greeting. */
export async function connect(server: Reached, userId: string, options: ConnectOptions = {}): Promise<Client> {
  const socket = clientOf(server, { token: tokenFor(userId), ...options })
  const received: Received[] = []
  socket.onAny((event: string, body: unknown) => {
    if (event !== MARK) received.push({ event, body })
  })
  const connected = new Promise<Connected>((resolve, reject) => {
    socket.once('connected', resolve)
    socket.once('connect_error', reject)
  })
  socket.connect()
  return { socket, received, connected: await connected, server }
}

/** Asks, and gives back the reply whatever it says. */
export async function ask(client: Client, event: string, body?: unknown): Promise<Reply | Refusal> {
  return (await client.socket.timeout(20_000).emitWithAck(event, body)) as Reply | Refusal
}

/** Asks, and expects it to be granted. */
export async function expectReply<T = Record<string, unknown>>(
  client: Client,
  event: string,
  body?: unknown,
): Promise<Reply<T>> {
  const reply = await ask(client, event, body)
  if (!reply.ok) throw new Error(`${event} was refused: ${JSON.stringify((reply as Refusal).error)}`)
  return reply as Reply<T>
}

/** Asks, and expects it to be refused. */
export async function expectRefusal(client: Client, event: string, body?: unknown): Promise<Refusal['error']> {
  const reply = await ask(client, event, body)
  if (reply.ok) throw new Error(`${event} was granted: ${JSON.stringify(reply)}`)
  return (reply as Refusal).error
}

/** Most tests have nobody who is blocked, and so only facts. */
export type Joined = Omit<JoinReply, 'events'> & { events: Envelope[] }

export async function join(
  client: Client,
  channel: string,
  more: Record<string, unknown> = {},
): Promise<Reply<Joined>> {
  return expectReply<Joined>(client, 'channel:join', { channel, ...more })
}

/** Waits for an event that matches, among those that came already and those to come. */
export function expectEvent<T = Envelope>(
  client: Client,
  event: string,
  matches: (body: T) => boolean = () => true,
): Promise<T> {
  const found = client.received.find((one) => one.event === event && matches(one.body as T))
  if (found) return Promise.resolve(found.body as T)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      client.socket.offAny(listen)
      const seen = client.received.map((one) => one.event).join(', ')
      reject(new Error(`expected the event ${event}; came: ${seen || 'nothing'}`))
    }, 20_000)
    function listen(name: string, body: T): void {
      if (name !== event || !matches(body)) return
      clearTimeout(timer)
      client.socket.offAny(listen)
      resolve(body)
    }
    client.socket.onAny(listen)
  })
}

/** The facts a client was delivered on a channel, in the order they came. */
export function factsOf(client: Client, channel: string): Envelope[] {
  return client.received
    .map(({ body }) => body as Envelope | undefined)
    .filter(
      (body): body is Envelope =>
        typeof body === 'object' && body !== null && 'epoch' in body && body.channel === channel,
    )
}

/**
 * Expects that nothing of a kind came. Not by waiting: a round trip after which anything
 * sent before it must have arrived, from each node that could have sent it.
 */
export async function expectNothing(client: Client, event: string): Promise<void> {
  await settle(client)
  const came = client.received.filter((one) => one.event === event)
  if (came.length > 0) throw new Error(`expected no ${event}; came: ${JSON.stringify(came)}`)
}

// What is told by both ways between nodes, and is not counted as received.
const MARK = 'test:mark'

/** Waits until all has come that was sent to a client before, by whichever node. */
export async function settle(client: Client): Promise<void> {
  await settleNodes(client)
  await expectReply(client, 'ping', {})
}

/**
 * Has every node tell a client something by each of the ways between nodes, and waits until it has come: what a node sent
 * before went the same ways. On its own channel, where no test looks.
 */
async function settleNodes({ socket, connected, server }: Client): Promise<void> {
  const nodes = server.nodes ?? []
  if (nodes.length < 2) return
  const missing = new Map<string, string>()
  const mark = (by: string) => {
    const payload = { mark: randomUUID() as string }
    missing.set(payload.mark, by)
    return payload
  }
  const arrived = new Promise<void>((resolve, reject) => {
    const wait = setTimeout(
      () => reject(new Error(`between nodes was lost: ${[...missing.values()].join(', ')}`)),
      20_000,
    )
    socket.on(MARK, function listen({ payload }: { payload: { mark: string } }) {
      missing.delete(payload.mark)
      if (missing.size > 0) return
      socket.off(MARK, listen)
      clearTimeout(wait)
      resolve()
    })
  })
  const own = `user:${connected.userId}`
  const marks = nodes.map(({ server }) => {
    const { serverId } = server.options
    return { server, fact: mark(`a fact of ${serverId}`), emitted: mark(`what ${serverId} emits to a room`) }
  })
  for (const { server, fact, emitted } of marks) {
    await server.publish(own, { type: MARK, payload: fact })
    server.io.to(own).emit(MARK, { payload: emitted })
  }
  await arrived
}
