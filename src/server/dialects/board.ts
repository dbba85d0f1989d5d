import type { Self, SocketIoDialect } from './dialect.ts'

/** Whether a client that says this speaks the board's words from now on. */
export function beginsBoard(event: unknown): boolean {
  return event === 'join-project'
}

/** The words of one client of the board (Synkora), on Socket.IO. */
export function speakBoard(_self: Self): SocketIoDialect {
  return { hear: () => [], tell: () => [] }
}
