import { Decoder } from 'socket.io-parser'
import { ConveneError } from '../../protocol/errors.ts'
import { MAX_DEPTH } from '../../protocol/limits.ts'
import { isDeeper } from './json-depth.ts'

// Room for a token of 16 KiB and what belongs to it.
const MAX_CONNECT_LENGTH = 32_768
const EVENT = /^2(\d*)\["((?:[^"\\]|\\.){1,128})"/
// Socket.IO's own, which its parser refuses; what is not parsed must not bring them in either.
const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener']

/**
 * A Socket.IO decoder for clients that are not to be trusted. It throws, which closes the connection, on binary packets,
 * a second CONNECT and what is not a packet at all. An event that is too large or too deep is not even parsed: it passes
 * with the error in place of its body, so that the connection stays open.
 */
export function limitedDecoder(maxMessageBytes: number): typeof Decoder {
  return class LimitedDecoder extends Decoder {
    #connects = 0

    override add(packet: unknown): void {
      if (typeof packet !== 'string') throw new Error('binary packets are not accepted')
      const type = packet[0]
      if (type === '0') {
        // A second one would run authentication again and deliver everything twice.
        if (++this.#connects > 1) throw new Error('a connection has one CONNECT')
        if (packet.length > MAX_CONNECT_LENGTH) throw new Error('the CONNECT packet is too large')
        if (isDeeper(packet, MAX_DEPTH)) throw new Error('the CONNECT packet is nested too deeply')
      } else if (type === '2') {
        const error = this.#unreadable(packet)
        if (error) {
          this.#refuse(packet, error)
          return
        }
      } else if (type !== '1') {
        // The server asks for no acknowledgements, so none can come.
        throw new Error('only CONNECT, DISCONNECT and EVENT packets are accepted')
      }
      super.add(packet)
    }

    #unreadable(packet: string): ConveneError | undefined {
      // A character is at most three bytes, so most packets need not be measured.
      if (packet.length * 3 > maxMessageBytes) {
        const head = EVENT.exec(packet)?.[0].length ?? 0
        const bytes = Buffer.byteLength(packet) - head - 2
        if (bytes > maxMessageBytes) {
          return new ConveneError('too_large', `The body has ${bytes} bytes; at most ${maxMessageBytes} are accepted`)
        }
      }
      // The body stands inside the packet's own array.
      if (isDeeper(packet, MAX_DEPTH + 1)) {
        return new ConveneError('invalid', `The body is nested deeper than ${MAX_DEPTH} levels`, {
          details: [{ path: '', message: `expected at most ${MAX_DEPTH} levels of arrays and objects` }],
        })
      }
      return undefined
    }

    #refuse(packet: string, error: ConveneError): void {
      const [, id, name] = EVENT.exec(packet) ?? []
      if (name === undefined || RESERVED.includes(name)) throw error
      super.emitReserved('decoded', { type: 2, nsp: '/', data: [name, error], ...(id && { id: Number(id) }) })
    }
  }
}
