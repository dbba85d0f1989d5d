// Sees that nothing which comes from Redis throws or rejects out of the Socket.IO adapter, or breaks a client's connection.
import type { RedisAdapter } from '@socket.io/redis-adapter'
import type { Failed } from './failures.ts'
import { isBoundedMsgpack } from './msgpack-bounds.ts'

const BRACE = 0x7b
const SERVER_SIDE_EMIT = 6
const BROADCAST = 7
const EVENT = 2
/** What a Socket.IO server emits to nobody: a client closes its connection over it, a server takes it for its own doing. */
const RESERVED = new Set<unknown>([
  'connect',
  'connect_error',
  'connection',
  'disconnect',
  'disconnecting',
  'new_namespace',
  'newListener',
  'removeListener',
])

/** Parts of the adapter that are private and decide whether a process lives. */
interface Guardable {
  parser: { encode(message: unknown): Buffer; decode(message: Buffer): unknown }
  onrequest(channel: unknown, message: Buffer): Promise<unknown>
}

/** `requests` is how the channels begin on which nodes ask each other. */
export function guardAdapter(adapter: RedisAdapter, requests: string, failed: Failed): RedisAdapter {
  const inside = adapter as unknown as Guardable
  const { encode, decode } = inside.parser
  const onrequest = inside.onrequest.bind(adapter)

  function read(message: Buffer): unknown {
    if (!isBoundedMsgpack(message)) throw new Error('no MessagePack')
    const value: unknown = decode(message)
    if (Array.isArray(value) && !isEvent(value[1])) throw new Error('no event')
    return value
  }

  inside.parser = {
    encode(message) {
      try {
        return encode(message)
      } catch {
        // Too deep for it; this node's own clients get it all the same.
        failed('malformed')
        return Buffer.alloc(0)
      }
    },
    decode: read,
  }
  inside.onrequest = async (channel, message) => {
    try {
      const request: unknown = message[0] === BRACE ? JSON.parse(message.toString()) : read(message)
      if (!isSound(request, String(channel).startsWith(requests))) throw new Error('no request')
      await onrequest(channel, message)
    } catch {
      failed('malformed')
    }
  }
  return adapter
}

/** Whether a request, or an answer to one, may be looked at. */
function isSound(message: unknown, isRequest: boolean): boolean {
  if (typeof message !== 'object' || message === null) return false
  const { type, data, packet } = message as { type?: unknown; data?: unknown; packet?: unknown }
  if (isRequest && type === SERVER_SIDE_EMIT) return isEmitted(data)
  if (isRequest && type === BROADCAST) return isEvent(packet)
  return true
}

/** A packet as `emit` makes it. */
function isEvent(packet: unknown): boolean {
  if (typeof packet !== 'object' || packet === null) return false
  const { type, data } = packet as { type?: unknown; data?: unknown }
  return type === EVENT && isEmitted(data)
}

function isEmitted(data: unknown): boolean {
  return Array.isArray(data) && typeof data[0] === 'string' && !RESERVED.has(data[0])
}
