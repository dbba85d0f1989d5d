import { type ConveneServer, createServer, type ServerOptions } from '../../src/server/server.ts'
import { cleanup } from './cleanup.ts'
import { untilNothingIsLeft } from './left-behind.ts'

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough'

export interface TestServer {
  readonly url: string
  readonly port: number
  readonly server: ConveneServer
}

/**
 * A real server on a free port with its own SQLite in memory, closed when the test ends: not before it has let go of
 * everything that the test's clients brought, who are gone by then.
 */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const server = createServer({
    port: 0,
    jwtSecrets: [SECRET],
    databaseUrl: 'sqlite::memory:',
    logLevel: 'silent',
    rateConnectionsPerMinute: 1_000_000,
    // Whoever is lost at the end of a test is not waited for.
    presenceGraceMs: 100,
    ...options,
  })
  cleanup(() => server.close())
  const { port } = await server.listen()
  const url = `http://127.0.0.1:${port}`
  const key = options.apiKeys?.[0]
  const isOpen = options.metricsPort === undefined && (key !== undefined || options.nodeEnv !== 'production')
  const waits = (options.presenceGraceMs ?? 0) > 1000
  if (isOpen) cleanup(() => untilNothingIsLeft(url, key, waits ? ['convene_presence'] : []))
  return { url, port, server }
}
