import { type ClientOptions, type ConveneClient, createClient, type Envelope } from '../../src/client/index.ts'
import { cleanup } from './cleanup.ts'
import { tokenFor } from './token.ts'

/** A client of the SDK for somebody, connecting; closed when the test ends. */
export function clientFor(url: string, userId: string, options: Partial<ClientOptions> = {}): ConveneClient {
  const client = createClient({ url, token: () => tokenFor(userId), ...options })
  cleanup(() => client.close())
  client.connect()
  return client
}

/** Remembers what a channel tells. */
export function listenTo(client: ConveneClient, address: string): { facts: Envelope[]; breaks: string[] } {
  const channel = client.channel(address)
  const told = { facts: [] as Envelope[], breaks: [] as string[] }
  channel.on('*', (fact) => told.facts.push(fact))
  channel.onDiscontinuity((reason) => told.breaks.push(reason))
  return told
}

/** The numbers that facts carry in their payload. */
export function numbersOf(facts: readonly Envelope[]): unknown[] {
  return facts.map(({ payload }) => payload.n)
}
