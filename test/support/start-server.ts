import type { ConveneServer, ServerOptions } from '../../src/server/server.ts'
import { startNode, type TestNode } from './start-node.ts'
import { onTwoNodes } from './topology.ts'

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough'

export interface TestServer {
  /** Where clients connect: the server itself, or the proxy in front of two. */
  readonly url: string
  readonly port: number
  /** The first node's. What is not of one node alone, as publishing, is the same on each. */
  readonly server: ConveneServer
  readonly nodes: readonly TestNode[]
  /**
   * Where a client connects from so that people come to the nodes in turn, from the first one on, each time it is asked;
   * undefined when that makes no difference.
   */
  nextAddress(): string | undefined
  /** The node that somebody is connected to. */
  nodeOf(client: { readonly connected: { readonly serverId: string } }): TestNode
  /** Closes all nodes. Closing twice is closing once. */
  close(): Promise<void>
}

/**
 * A real server, on one node or on two as the project has it, closed when the test ends: not before it has let go of
 * everything that the test's clients brought, who are gone by then. One node is on a free port with its own SQLite in
 * memory; two share a database and a corner of Redis, behind an nginx.
 */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const given = {
    port: 0,
    jwtSecrets: [SECRET],
    logLevel: 'silent',
    rateConnectionsPerMinute: 1_000_000,
    // Whoever is lost at the end of a test is not waited for.
    presenceGraceMs: 100,
    ...options,
  } as const
  if (onTwoNodes()) return (await import('./two-nodes.ts')).startTwoNodes(given)
  const node = await startNode({ databaseUrl: 'sqlite::memory:', ...given })
  return {
    ...node,
    nodes: [node],
    nextAddress: () => undefined,
    nodeOf: () => node,
    close: () => node.server.close(),
  }
}
