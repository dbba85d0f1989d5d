import type { Socket } from 'socket.io'
import { type ConveneError, ERRORS } from '../../protocol/errors.ts'
import type { SocketIoDialect } from '../dialects/dialect.ts'
import type { Connection, Outgoing } from '../session/connection.ts'
import { guarded } from './guarded.ts'
import { Outbox } from './outbox.ts'

/** A Socket.IO client as the rest of the house sees it. */
export class SocketIoConnection implements Connection {
  readonly id: string
  readonly address: string
  readonly #socket: Socket
  readonly #outbox: Outbox
  readonly #failed: (error: unknown) => void
  #dialect: SocketIoDialect | undefined

  /** `slow` is called when the client is cut because it does not read, `failed` when its dialect throws. */
  constructor(
    socket: Socket,
    address: string,
    maxOutboundBytes: number,
    slow: () => void,
    failed: (error: unknown) => void,
  ) {
    this.id = socket.id
    this.#failed = failed
    this.address = address
    this.#socket = socket
    this.#outbox = new Outbox(socket.conn, maxOutboundBytes, () => {
      slow()
      this.cut()
    })
  }

  get older(): boolean {
    return this.#dialect !== undefined
  }

  get counts(): 'people' | 'sessions' {
    return this.older ? 'sessions' : 'people'
  }

  /** The words its client is told everything in from now on; the protocol's own until then. */
  get dialect(): SocketIoDialect | undefined {
    return this.#dialect
  }

  speak(dialect: SocketIoDialect): void {
    this.#dialect = dialect
  }

  get open(): boolean {
    return this.#socket.conn.readyState === 'open' && !this.#outbox.overflowed
  }

  get ready(): boolean {
    return this.#outbox.ready
  }

  measure(event: Outgoing): number {
    return this.#inItsWords(event).reduce((sum, words) => sum + this.#outbox.measure(words), 0)
  }

  drained(): Promise<void> {
    return this.#outbox.drained()
  }

  send(event: string, body: unknown): void {
    for (const words of this.#inItsWords({ event, body, as: (write) => write(event, body) })) this.emit(words)
  }

  /** Emits something as it is. */
  emit({ event, body }: { readonly event: string; readonly body: unknown }): void {
    if (this.#socket.connected && !this.#outbox.overflowed) this.#socket.emit(event, body)
  }

  deliver(events: readonly Outgoing[]): void {
    if (!this.#socket.connected) return
    this.#outbox.deliver(this.#dialect ? events.flatMap((event) => this.#inItsWords(event)) : events)
  }

  /** [CH2] An embedding application's `io.to(channel)` reaches its members. */
  entered(channel: string): void {
    void this.#socket.join(channel)
  }

  exited(channel: string): void {
    void this.#socket.leave(channel)
  }

  close(reason: ConveneError): void {
    this.send('error', reason.toBody())
    // A Socket.IO client comes back by itself only when the transport closed.
    // And one that is not connected yet is not disconnected by its own word.
    if (ERRORS[reason.code].retryable || !this.#socket.connected) this.reset()
    else this.#socket.disconnect(true)
  }

  reset(): void {
    this.#socket.conn.close()
  }

  /** Calls the dialect, and has its client come back where that throws. */
  guarded<T>(words: () => readonly T[]): readonly T[] {
    return guarded(words, this.#failed, () => this.cut())
  }

  #inItsWords(event: Outgoing): readonly Outgoing[] {
    const dialect = this.#dialect
    return dialect ? this.guarded(() => dialect.tell(event)) : [event]
  }

  // A polite close waits for what the client does not read.
  cut(): void {
    const transport = this.#socket.conn.transport as { socket?: { terminate?: () => void } }
    if (transport.socket?.terminate) transport.socket.terminate()
    else this.#socket.conn.close(true)
  }
}
