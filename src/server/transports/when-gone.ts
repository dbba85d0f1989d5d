import type { Socket as EngineSocket } from 'engine.io'
import type { Socket } from 'socket.io'

const DISCONNECT_PACKET = '1'
// By its packet, or sent away for good: whoever shall come back only has its connection closed.
const MEANT: readonly string[] = ['client namespace disconnect', 'server namespace disconnect']
const NORMAL_CLOSURE = 1000

/** [PRE3] Calls `gone`, maybe twice, when a client has ended: `clean` when it is not to be waited for. */
export function whenGone(socket: Socket, gone: (clean: boolean) => void): void {
  const { conn } = socket
  let announced = false
  // Socket.IO acts on the packet only a tick later, and a poll may bring Engine.IO's close right behind it.
  conn.on('data', (data: unknown) => {
    if (data === DISCONNECT_PACKET) announced = true
  })
  const end = (reason: string) => gone(announced || MEANT.includes(reason) || closedNormally(conn))
  socket.once('disconnect', end)
  // The connection may end before the session is announced.
  conn.once('close', end)
}

/**
 * Whether the client's close frame said so. Engine.IO passes no code on, and the WebSocket tells its own only when TCP
 * has closed: a write in between, as in any busy channel, ends the session before. So the code is read where `ws` notes
 * it as the frame comes; were it not there any more, such a client would only be waited for.
 */
function closedNormally({ transport }: EngineSocket): boolean {
  const { socket } = transport as { socket?: { _closeCode?: number } }
  return socket?._closeCode === NORMAL_CLOSURE
}
