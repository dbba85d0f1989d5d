// A wire between two programs that can be cut, slowed and frozen.
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { cleanup } from './cleanup.ts'

/** Which way bytes flow: from the program that connected, to it, or both. */
export type Direction = 'up' | 'down' | 'both'

/** A TCP proxy on this machine alone, in front of one port. */
export interface TcpProxy {
  readonly port: number
  /** How many connections go through it now. */
  readonly connections: number
  /** Ends all connections as a crash of the other side does: with a reset. */
  reset(): void
  /** Ends all connections in good order. */
  cut(): void
  /** Nothing is read or passed on any more, and nobody is told: half-open. New connections are taken, and frozen too. */
  freeze(direction?: Direction): void
  thaw(): void
  /** Passes everything on so much later. */
  delay(ms: number): void
  /** New connections are reset at once, until `allow`. */
  refuse(): void
  allow(): void
  /** Ends each connection when so many bytes more have come down. */
  cutAfter(bytes: number): void
  stop(): Promise<void>
}

interface Wire {
  readonly near: Socket
  readonly far: Socket
  left: number
}

/** Starts one on a free loopback port. Stopped when the test ends, unless whoever starts it for a whole file stops it. */
export async function startTcpProxy({ to, forFile = false }: { to: number; forFile?: boolean }): Promise<TcpProxy> {
  const wires = new Set<Wire>()
  let frozen: Direction | undefined
  let delayMs = 0
  let refusing = false
  let limit = Number.POSITIVE_INFINITY

  const server = createServer({ allowHalfOpen: true }, (near) => {
    near.on('error', () => {})
    if (refusing) {
      near.resetAndDestroy()
      return
    }
    const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true })
    const wire: Wire = { near, far, left: limit }
    wires.add(wire)
    const end = () => {
      wires.delete(wire)
      near.destroy()
      far.destroy()
    }
    far.on('error', () => {
      near.resetAndDestroy()
      end()
    })
    near.on('error', end)
    near.on('close', end)
    far.on('close', end)
    pass(wire, near, far, 'up')
    pass(wire, far, near, 'down')
  })

  function pass(wire: Wire, from: Socket, into: Socket, direction: 'up' | 'down'): void {
    from.on('data', (chunk: Buffer) => {
      const forward = () => {
        if (into.destroyed) return
        if (direction === 'down') {
          wire.left -= chunk.length
          if (wire.left < 0) {
            wire.near.end(chunk.subarray(0, chunk.length + wire.left))
            wire.far.destroy()
            return
          }
        }
        if (!into.write(chunk)) {
          from.pause()
          into.once('drain', () => {
            if (!holds(direction)) from.resume()
          })
        }
      }
      if (delayMs > 0) setTimeout(forward, delayMs)
      else forward()
    })
    from.on('end', () => setTimeout(() => into.end(), delayMs))
    if (holds(direction)) from.pause()
  }

  function holds(direction: 'up' | 'down'): boolean {
    return frozen === 'both' || frozen === direction
  }

  async function stop(): Promise<void> {
    for (const { near, far } of wires) {
      near.destroy()
      far.destroy()
    }
    if (server.listening) {
      const closed = once(server, 'close')
      server.close()
      await closed
    }
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  if (!forFile) cleanup(stop)
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return wires.size
    },
    reset() {
      for (const { near, far } of wires) {
        near.resetAndDestroy()
        far.resetAndDestroy()
      }
    },
    cut() {
      for (const { near, far } of wires) {
        near.end()
        far.end()
      }
    },
    freeze(direction = 'both') {
      frozen = direction
      for (const { near, far } of wires) {
        if (holds('up')) near.pause()
        if (holds('down')) far.pause()
      }
    },
    thaw() {
      frozen = undefined
      for (const { near, far } of wires) {
        near.resume()
        far.resume()
      }
    },
    delay(ms) {
      delayMs = ms
    },
    refuse() {
      refusing = true
    },
    allow() {
      refusing = false
    },
    cutAfter(bytes) {
      limit = bytes
      for (const wire of wires) wire.left = bytes
    },
    stop,
  }
}
