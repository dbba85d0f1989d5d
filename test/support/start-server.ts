import { type ConveneServer, createServer, type ServerOptions } from '../../src/server/server.ts'
import { cleanup } from './cleanup.ts'

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough'

export interface TestServer {
  readonly url: string
  readonly port: number
  readonly server: ConveneServer
}

/** A real server on a free port with its own SQLite in memory, closed when the test ends. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const server = createServer({
    port: 0,
    jwtSecrets: [SECRET],
    databaseUrl: 'sqlite::memory:',
    logLevel: 'silent',
    rateConnectionsPerMinute: 1_000_000,
    ...options,
  })
  cleanup(() => server.close())
  const { port } = await server.listen()
  return { url: `http://127.0.0.1:${port}`, port, server }
}
