import { type ConveneServer, createServer, type ServerOptions } from '../../src/server/server.ts'
import { cleanup } from './cleanup.ts'
import { untilNothingIsLeft } from './left-behind.ts'

/** One of the servers behind an address. */
export interface TestNode {
  /** Where it is asked itself, past any proxy. */
  readonly url: string
  readonly port: number
  readonly server: ConveneServer
}

/** Starts one node, and watches that it is left with nothing when the test ends. */
export async function startNode(options: ServerOptions): Promise<TestNode> {
  const server = createServer(options)
  cleanup(() => server.close())
  const { port } = await server.listen()
  const url = `http://127.0.0.1:${port}`
  const key = options.apiKeys?.[0]
  const isOpen = options.metricsPort === undefined && (key !== undefined || options.nodeEnv !== 'production')
  const waits = (options.presenceGraceMs ?? 0) > 1000
  if (isOpen) cleanup(() => untilNothingIsLeft(url, key, waits ? ['convene_presence'] : []))
  return { url, port, server }
}
