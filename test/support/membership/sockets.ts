import { connect, type Transport } from '../connect.ts'
import { startServer } from '../start-server.ts'
import { tokenFor } from '../token.ts'
import { type Answer, type Terminal, Transcript, type World } from './terminal.ts'

/** A whole server under ACCESS=members, and stock clients, every other one of them over the second transport. */
export async function openSockets(transports: readonly [Transport, Transport]): Promise<World> {
  const server = await startServer({
    access: 'members',
    rateFactsPerSecond: 100_000,
    rateSignalsPerSecond: 100_000,
    maxConnectionsPerUser: 100,
  })
  let opened = 0
  return {
    tokenFor,
    async open(name, userId, echo) {
      const transcript = new Transcript()
      const client = await connect(server, userId, { transport: transports[opened++ % 2] as Transport })
      client.socket.onAny((event: string, body: unknown) => transcript.told(event, body))
      client.socket.on('disconnect', () => transcript.close())
      return {
        name,
        userId,
        echo,
        entries: transcript.entries,
        get isOpen() {
          return transcript.isOpen
        },
        ask: (event, asked) =>
          transcript.ask(event, asked, (take) => {
            client.socket.emit(event, asked, (answer: Answer) => take(answer))
          }),
        close() {
          transcript.close()
          client.socket.disconnect()
        },
      } satisfies Terminal
    },
    publish: (channel, fact) => server.server.publish(channel, fact),
    close: () => server.close(),
  }
}
