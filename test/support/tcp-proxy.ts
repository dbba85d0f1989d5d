// A TCP proxy that does to connections what networks do.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { cleanup } from './cleanup.ts'

const HOST = '127.0.0.1'

/** `up` is from client to server. */
export type Direction = 'up' | 'down'
const BOTH: readonly Direction[] = ['up', 'down']

export interface TcpProxyOptions {
  /** The server's port on this machine. */
  readonly to: number
  /** Connects from the address that the client has, which on loopback may be any of 127.0.0.0/8. */
  readonly keepsAddress?: boolean
}

/** What lies between two ends. What it does holds for the connections there are and those to come, until it is undone. */
export interface TcpProxy {
  readonly port: number
  /** How many connections go through it. */
  readonly connections: number
  /** Ends every connection in good order, with a FIN. */
  cut(): void
  /** Breaks every connection off, with a RST. */
  reset(): void
  /** Nothing is read nor passed on, and nobody is told, as on a link that is down. Both directions unless given. */
  freeze(direction?: Direction): void
  /** Goes on with what was sent meanwhile. */
  thaw(): void
  /** Whatever is sent from now on arrives so much later, in its order. 0 ends it. */
  delay(ms: number): void
  /** New connections are reset at once, until `allow`. */
  refuse(): void
  allow(): void
  /** Each connection is broken off when so many bytes have come from the server, in the middle of a message perhaps. */
  cutAfter(bytes: number | undefined): void
  /** Stopping twice is one stop. */
  stop(): Promise<void>
}

/** Starts a proxy on a free loopback port. Stopped when the test ends. */
export async function startTcpProxy({ to, keepsAddress = false }: TcpProxyOptions): Promise<TcpProxy> {
  const links = new Set<Link>()
  const weather: Weather = { frozen: new Set(), delayMs: 0, cutAfter: undefined }
  let refused = false
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => {})
    if (refused) {
      client.resetAndDestroy()
      return
    }
    const localAddress = keepsAddress ? client.remoteAddress : undefined
    const link = new Link(client, connectTo(to, localAddress), weather)
    links.add(link)
    void link.ended.then(() => links.delete(link))
  }).listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('expected a TCP address')

  let stopped: Promise<void> | undefined
  async function stop(): Promise<void> {
    for (const link of links) link.reset()
    server.close()
    await once(server, 'close')
  }

  const proxy: TcpProxy = {
    port: address.port,
    get connections() {
      return links.size
    },
    cut() {
      for (const link of links) link.cut()
    },
    reset() {
      for (const link of links) link.reset()
    },
    freeze(direction) {
      for (const each of direction ? [direction] : BOTH) weather.frozen.add(each)
      for (const link of links) link.update()
    },
    thaw() {
      weather.frozen.clear()
      for (const link of links) link.update()
    },
    delay(ms) {
      weather.delayMs = ms
    },
    refuse() {
      refused = true
    },
    allow() {
      refused = false
    },
    cutAfter(bytes) {
      weather.cutAfter = bytes
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
  }
  cleanup(() => proxy.stop())
  return proxy
}

interface Weather {
  readonly frozen: Set<Direction>
  delayMs: number
  cutAfter: number | undefined
}

interface Waiting {
  readonly dueAt: number
  readonly pass: () => void
}

/** One connection, in two halves. */
class Link {
  /** Resolves when both halves have gone. */
  readonly ended: Promise<unknown>
  readonly #sockets: readonly [client: Socket, server: Socket]
  readonly #weather: Weather
  /** What waits for a thaw or for its time: it goes in the order it came. */
  readonly #waiting: Record<Direction, Waiting[]> = { up: [], down: [] }
  readonly #timers = new Map<Direction, NodeJS.Timeout>()
  #received = 0

  constructor(client: Socket, server: Socket, weather: Weather) {
    this.#sockets = [client, server]
    this.#weather = weather
    this.ended = Promise.all([this.#forward('up', client, server), this.#forward('down', server, client)])
    this.update()
  }

  /** Looks anew what may flow. */
  update(): void {
    const [client, server] = this.#sockets
    for (const [direction, from] of [
      ['up', client],
      ['down', server],
    ] as const) {
      if (this.#weather.frozen.has(direction)) from.pause()
      else from.resume()
      this.#pass(direction)
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.end(() => socket.destroy())
  }

  reset(): void {
    for (const socket of this.#sockets) {
      // One that is not connected yet has nothing to reset.
      if (socket.connecting) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  #forward(direction: Direction, from: Socket, to: Socket): Promise<unknown> {
    from.on('error', () => this.reset())
    from.on('data', (chunk: Buffer) => this.#later(direction, () => this.#write(direction, chunk, to)))
    from.on('end', () => this.#later(direction, () => to.end()))
    const closed = new Promise((resolve) => from.once('close', resolve))
    void closed.then(() => {
      // What it has said goes out first; what is said to it goes nowhere.
      this.#later(direction, () => to.end())
      if (this.#weather.frozen.size === 0 && this.#weather.delayMs === 0) return
      clearTimeout(this.#timers.get(direction))
      to.destroy()
    })
    return closed
  }

  #write(direction: Direction, chunk: Buffer, to: Socket): void {
    const { cutAfter } = this.#weather
    if (direction === 'down') this.#received += chunk.byteLength
    if (direction === 'down' && cutAfter !== undefined && this.#received > cutAfter) {
      const left = Math.max(0, cutAfter - (this.#received - chunk.byteLength))
      to.write(chunk.subarray(0, left), () => this.reset())
    } else if (to.writable) {
      to.write(chunk)
    }
  }

  #later(direction: Direction, pass: () => void): void {
    this.#waiting[direction].push({ dueAt: performance.now() + this.#weather.delayMs, pass })
    this.#pass(direction)
  }

  #pass(direction: Direction): void {
    const waiting = this.#waiting[direction]
    clearTimeout(this.#timers.get(direction))
    while (waiting[0] && !this.#weather.frozen.has(direction)) {
      const leftMs = waiting[0].dueAt - performance.now()
      if (leftMs > 0) {
        this.#timers.set(
          direction,
          setTimeout(() => this.#pass(direction), leftMs),
        )
        return
      }
      waiting.shift()?.pass()
    }
  }
}

function connectTo(port: number, localAddress: string | undefined): Socket {
  return connect({ host: HOST, port, allowHalfOpen: true, noDelay: true, ...(localAddress && { localAddress }) })
}
